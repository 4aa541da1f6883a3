"""The camera: how large the puck is, what a frame costs nothing else, and where frames come from."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from visual_her.hidden_geoms import WATCHED_DRAWS
from visual_her.pixel_env import PixelObservationWrapper
from visual_her.rendering import Camera, FrameRenderer, _box_average, probe_gl_renderer
from visual_her.vec_env import make_task


def puck_width(camera: Camera, seed: int) -> int:
    """Columns of an 84x84 frame in which MuJoCo's segmentation sees the puck."""
    env = PixelObservationWrapper(make_task("FetchPush-v4"), camera=camera)
    try:
        env.reset(seed=seed)
        assert env.frame_renderer is not None
        segments = env.frame_renderer.segment()
        puck = env.unwrapped.model.geom("object0").id  # type: ignore[attr-defined]
        seen = (segments[..., 0] == puck) & (segments[..., 1] == mujoco.mjtObj.mjOBJ_GEOM)
        return int(seen.any(axis=0).sum())
    finally:
        env.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_table_camera_shows_the_puck_at_least_five_pixels_wide(seed: int) -> None:
    assert puck_width("table", seed) >= 5


def test_the_librarys_camera_shows_it_three_pixels_wide() -> None:
    """The chapter says about five; whoever wonders why its encoder learned slowly should know."""
    assert puck_width("default", seed=0) == 3


def test_a_box_average_is_the_rounded_mean() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    exact = picture.reshape(4, 2, 4, 2, 3).astype(np.int64).sum(axis=(1, 3))
    np.testing.assert_array_equal(_box_average(picture, 2), (exact + 2) // 4)


def test_the_renderer_has_a_name() -> None:
    backend, name = probe_gl_renderer()
    assert backend in ("egl", "osmesa", "glfw")
    assert name


def test_at_the_images_own_size_a_pixel_is_one_sample() -> None:
    """What makes it the fastest; the box average of the default is nearer to the chapter's picture."""
    task = make_task("FetchPush-v4")
    task.reset(seed=0)
    renderer = FrameRenderer(task, image_size=84, render_size=84)
    model = task.unwrapped.model  # type: ignore[attr-defined]
    model.vis.quality.offsamples = 0
    plain = mujoco.Renderer(model, 84, 84)
    try:
        drawn = renderer.draw()
        scene = renderer._update(plain)
        np.testing.assert_array_equal(drawn, scene.render())
    finally:
        plain.close()
        renderer.close()
        task.close()


@pytest.mark.parametrize(("camera", "render_size"), [("default", 168), ("table", 168), ("default", 84)])
def test_a_picture_without_its_hidden_geoms_is_the_same(camera: Camera, render_size: int) -> None:
    """Pushing the puck; then the robot's base is lifted out of the way of what it hides."""
    task = make_task("FetchPush-v4")
    observation, _ = task.reset(seed=0)
    ours, whole = (FrameRenderer(task, image_size=84, render_size=render_size, camera=camera) for _ in range(2))
    try:
        for step in range(2 * WATCHED_DRAWS):
            reach = 10 * (observation["achieved_goal"] - observation["observation"][:3])
            action = np.append(np.clip(reach, -1, 1), 0) if step % 3 else task.action_space.sample()
            observation, *_ = task.step(action)
            picture = ours.draw()
            whole._open()
            whole._hidden = None
            np.testing.assert_array_equal(picture, whole.draw())
        assert hidden_names(ours, task) == {"robot0:estop_link", "robot0:laser_link"}
        task.unwrapped.data.geom_xpos[task.unwrapped.model.geom("robot0:base_link").id] += 1  # type: ignore[attr-defined]
        picture = ours.draw()
        assert hidden_names(ours, task) == set()
        np.testing.assert_array_equal(picture, whole.draw())
    finally:
        ours.close()
        whole.close()
        task.close()


def hidden_names(renderer: FrameRenderer, task: gym.Env[Any, Any]) -> set[str]:
    """The geoms that are left out now."""
    assert renderer._hidden is not None
    return {task.unwrapped.model.geom(geom).name for geom in renderer._hidden._hidden}  # type: ignore[attr-defined]
