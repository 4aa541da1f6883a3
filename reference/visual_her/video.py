"""A video of an agent at work: the scene, and beside it the newest frame that the agent sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio
import numpy as np

from visual_her.evaluation import Picture, run_episode
from visual_her.pixel_env import Observation
from visual_her.rendering import FrameRenderer
from visual_her.sac import PixelSAC

SIDE = 252  # pixels: 3 x 84, 6 x 42
FRAMES_PER_SECOND = 20


def record(agent: PixelSAC, env: Any, path: Path, *, seeds: list[int]) -> None:
    """Plays one deterministic episode a seed and writes them as one GIF.

    Args:
        agent: the agent.
        env: its environment, a MuJoCo task.
        path: ending in .gif.
        seeds: of the resets.
    """
    renderer = FrameRenderer(env, image_size=SIDE, render_size=2 * SIDE, camera="table")

    def picture(observation: Observation) -> Picture:
        scene = renderer.draw()
        if "pixels" not in observation:
            return scene
        frame = observation["pixels"][-3:].transpose(1, 2, 0)  # (H, W, 3)
        scale = max(1, SIDE // frame.shape[0])
        seen = np.full((SIDE, SIDE, 3), 255, np.uint8)
        enlarged = frame.repeat(scale, axis=0).repeat(scale, axis=1)[:SIDE, :SIDE]
        seen[: enlarged.shape[0], : enlarged.shape[1]] = enlarged
        return np.concatenate([scene, np.full((SIDE, 6, 3), 255, np.uint8), seen], axis=1)

    try:
        pictures = [p for seed in seeds for p in run_episode(agent, env, seed, picture).pictures]
    finally:
        renderer.close()
    imageio.mimsave(path, pictures, duration=1000 / FRAMES_PER_SECOND, loop=0)  # type: ignore[arg-type]
