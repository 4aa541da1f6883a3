"""The chapter's argument against DrQ with SpatialSoftmax, measured: what a shift moves, against what a push moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt
import torch
from visual_her import checkpoint as checkpoints
from visual_her.augmentation import RandomShift
from visual_her.errors import UsageError
from visual_her.evaluation import load_agent
from visual_her.privileged import PrivilegedSAC
from visual_her.video import project

Array = npt.NDArray[np.float64]

TOLERANCE = 0.05  # metres: FetchPush's
PAGE = Path(__file__).parent / "SHIFT.md"


def measure(checkpoint: Path, *, pad: int = 4, resets: int = 200) -> str:
    """A page of medians over ``resets`` starts of FetchPush, from eyes that were taught to see the puck.

    Args:
        checkpoint: of a privileged run on FetchPush, whose localizer gives keypoints and a position.
        pad: of the shift, in pixels.
        resets: with seeds 0, 1, ….

    Raises:
        UsageError: the checkpoint has no localizer.
    """
    stored = checkpoints.read(checkpoint)
    agent, env = load_agent(stored, device="cpu")
    if not isinstance(agent, PrivilegedSAC):
        raise UsageError(f"{checkpoint} is of no privileged run: give one of --recipe laptop.")
    eye, side = env.get_wrapper_attr("frame_renderer"), env.observation_space["pixels"].shape[-1]
    shift, rng = RandomShift(pad, torch.Generator().manual_seed(0)), np.random.default_rng(0)
    shifted, pushed, geometry, errors = [], [], [], []
    for seed in range(resets):
        observation, _ = env.reset(seed=seed)
        before, where = observation["pixels"], observation["achieved_goal"]
        angle = rng.uniform(0, 2 * np.pi)
        step = TOLERANCE * np.array([np.cos(angle), np.sin(angle), 0])
        geometry.append(side * np.linalg.norm(project(eye, where + step) - project(eye, where)))
        errors.append(100 * np.linalg.norm(agent.locate(before) - where))
        shifted.append(_moved(agent, before, shift(torch.as_tensor(before)[None])[0].numpy()))
        push(env, step)
        pushed.append(_moved(agent, before, eye.draw().transpose(2, 0, 1)))
    env.close()
    by_shift, by_push = np.median(shifted, axis=0), np.median(pushed, axis=0)
    return f"""# What a random shift moves

Made by `python -m acceptance shift CHECKPOINT` from {stored.config.env} with the localizer of a privileged run,
which puts the puck {np.median(errors):.1f} cm off (median of {resets} resets, camera {stored.config.camera}, {side}x{side}). Pixels of {side}.

| | keypoint that moves most | position read from the keypoints |
|---|---|---|
| the puck is pushed by the task's tolerance, {100 * TOLERANCE:.0f} cm, {np.median(geometry):.1f} pixels in this camera | {by_push[0]:.1f} pixels | {by_push[1]:.1f} cm |
| DrQ's shift of up to {pad} pixels, the puck at rest | {by_shift[0]:.1f} pixels | {by_shift[1]:.1f} cm |

The localizer was taught without shifts. A network could read the shift off the edges of the table; the coordinates of
SpatialSoftmax are those of the picture.
"""  # noqa: E501


@torch.no_grad()
def _moved(agent: PrivilegedSAC, before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """How far the keypoint that moves most has moved, in pixels, and how far the position has, in centimetres."""
    layers: Any = agent.localizer.averaged.module
    cnn, softmax, _ = layers
    frames = torch.as_tensor(np.stack([before, after])).float() / 255 - 0.5
    points: torch.Tensor = softmax.keypoints(cnn(frames))
    pixels = float((points[1] - points[0]).norm(dim=1).max()) * before.shape[-1] / 2
    return pixels, 100 * float(np.linalg.norm(agent.locate(after) - agent.locate(before)))


def push(env: Any, step: Array) -> None:
    """Moves the puck without anybody touching it."""
    model, data = env.unwrapped.model, env.unwrapped.data
    joint = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, "object0:joint")
    at = model.jnt_qposadr[joint]
    data.qpos[at : at + 3] += step
    mujoco.mj_forward(model, data)
