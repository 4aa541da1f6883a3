"""The video: a position lands on the pixels that show it, and a checkpoint is filmed with what it looks at."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from PIL import Image
from visual_her import video
from visual_her.cli import run
from visual_her.rendering import Camera, FrameRenderer
from visual_her.vec_env import make_task
from visual_her.video import BELIEVED, ESTIMATED, KEYPOINT, TRUE, project

FLAGS = (
    "--no-drq --goal-mode desired --image-size 42 --num-filters 4 --batch-size 8 --net-arch 8 8 --n-envs 1 "
    "--buffer-size 200 --learning-starts 60 --total-steps 100 --torch-threads 1"
)


@pytest.mark.parametrize("camera", ["default", "table", "close"])
@pytest.mark.parametrize("seed", [1, 2])  # at the resets of seeds 0 and 3 the gripper hides the puck from camera close
def test_a_position_is_projected_onto_the_pixels_that_show_it(camera: Camera, seed: int) -> None:
    task = make_task("FetchPush-v4")
    task.reset(seed=seed)
    renderer = FrameRenderer(task, image_size=200, render_size=200, camera=camera)
    try:
        model, data = task.unwrapped.model, task.unwrapped.data  # type: ignore[attr-defined]
        segments = renderer.segment()
        puck = (segments[..., 0] == model.geom("object0").id) & (segments[..., 1] == mujoco.mjtObj.mjOBJ_GEOM)
        seen = np.argwhere(puck).mean(axis=0)[::-1] + 0.5  # (column, row)
        assert np.abs(project(renderer, data.geom("object0").xpos) * 200 - seen).max() < 2.5
    finally:
        renderer.close()
        task.close()


@pytest.mark.parametrize(
    "recipe", ["--critic-encoder", "--encoder nature --critic-encoder", "--no-spatial-softmax", "--belief"]
)
def test_a_checkpoint_is_filmed(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", "--env", "FetchReach-v4", *recipe.split(), *FLAGS.split()]) == 0
    (checkpoint,) = Path("checkpoints").glob("*.zip")
    pictures: list[list[np.ndarray]] = []  # type: ignore[type-arg]  # before a palette changes their colours
    save = video.imageio.mimsave
    monkeypatch.setattr(
        video.imageio, "mimsave", lambda path, drawn, **how: (pictures.append(drawn), save(path, drawn, **how))
    )
    line = ["render", "--ckpt", str(checkpoint), "--episodes", "1", "--probe-episodes", "2", "--out", "film.gif"]
    assert run(line) == 0
    with Image.open("film.gif") as film:
        assert getattr(film, "n_frames", 0) == 51
    colours = {tuple(colour) for colour in np.unique(pictures[0][0].reshape(-1, 3), axis=0).tolist()}
    assert {TRUE, BELIEVED if recipe == "--belief" else ESTIMATED} <= colours
    assert (KEYPOINT in colours) == (recipe in ("--critic-encoder", "--belief"))
    assert run(line) == 2, "an existing film was overwritten"


def test_a_task_without_mujoco_is_refused() -> None:
    from visual_her.errors import UsageError
    from visual_her.video import record

    with pytest.raises(UsageError, match="nothing to film"):
        record(None, gym.make("Pendulum-v1"), Path("film.gif"), seeds=[0])  # type: ignore[arg-type]
