"""Collection of FetchPush-v4: the training run's environments, and what bounds any pipeline here."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv
from visual_her.config import CHAPTER
from visual_her.rendering import CAMERAS, choose_backend
from visual_her.vec_env import make_task, make_vec_env

EPISODE = 50  # steps of every Fetch task
ACTIONS = 4

Observation = dict[str, npt.NDArray[Any]]


def our_vec_env(n_envs: int = 4, **choices: Any) -> VecEnv:
    """The training run's environments, FetchPush-v4 in the chapter's recipe but for ``choices``."""
    return make_vec_env(dataclasses.replace(CHAPTER, n_envs=n_envs, **choices))


def collect(env: VecEnv, steps: int = EPISODE) -> None:
    """``steps`` vectorised steps of random actions; the default contains one reset of each env."""
    rng = np.random.default_rng(0)
    for _ in range(steps):
        env.step(rng.uniform(-1, 1, (env.num_envs, ACTIONS)).astype(np.float32))


class BareTask(gym.Wrapper[Observation, Any, Observation, Any]):
    """The task's own step and the cheapest render at 168x168: what no pipeline on top of them can undercut."""

    def __init__(self) -> None:
        super().__init__(make_task("FetchPush-v4"))
        self._renderer: Any = None

    def busy(self, steps: int) -> float:
        """Mean seconds of one step and one render, over ``steps``; resets are not counted."""
        model, data = self.env.unwrapped.model, self.env.unwrapped.data  # type: ignore[attr-defined]
        if self._renderer is None:
            choose_backend()
            model.vis.global_.offwidth = model.vis.global_.offheight = 168
            model.vis.quality.offsamples = 0
            self._renderer = mujoco.Renderer(model, 168, 168)
            self._camera, self._out = _camera(model), np.empty((168, 168, 3), np.uint8)
        rng, seconds = np.random.default_rng(0), 0.0
        for step in range(steps):
            if step % EPISODE == 0:
                self.env.reset()
            action = rng.uniform(-1, 1, ACTIONS).astype(np.float32)
            start = time.perf_counter()
            self.env.step(action)
            self._renderer.update_scene(data, camera=self._camera)
            self._renderer.render(out=self._out)
            seconds += time.perf_counter() - start
        return seconds / steps

    def close(self) -> None:
        """Frees the GL context while there is one."""
        if self._renderer is not None:
            self._renderer.close()
        super().close()


def bare_vec_env(processes: int = 2) -> VecEnv:
    """``BareTask`` in worker processes whose software renderer has one thread each."""
    return SubprocVecEnv([_bare_worker] * processes, start_method="spawn")


def bare_rate(env: VecEnv, steps: int = EPISODE) -> float:
    """Env steps a second of all processes together, all of them busy at the same time."""
    seconds: list[float] = env.env_method("busy", steps)
    return sum(1 / mean for mean in seconds)


def _bare_worker() -> gym.Env[Any, Any]:
    torch.set_num_threads(1)
    os.environ["LP_NUM_THREADS"] = "1"
    return BareTask()


def _camera(model: Any) -> Any:
    camera, view = mujoco.MjvCamera(), CAMERAS["default"]
    mujoco.mjv_defaultFreeCamera(model, camera)
    camera.distance, camera.azimuth, camera.elevation = view.distance, view.azimuth, view.elevation
    camera.lookat[:] = view.lookat
    return camera
