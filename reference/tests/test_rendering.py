"""The camera: how large the puck is, what a frame costs nothing else, and where frames come from."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from visual_her.pixel_env import PixelObservationWrapper
from visual_her.rendering import Camera, _box_average, probe_gl_renderer
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
    exact = picture.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    assert np.abs(_box_average(picture, 2) - exact).max() <= 0.5


def test_the_renderer_has_a_name() -> None:
    backend, name = probe_gl_renderer()
    assert backend in ("egl", "osmesa", "glfw")
    assert name
