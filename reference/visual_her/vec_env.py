"""The task, one or many: built from a config, each env in a worker process of its own."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import signal
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from visual_her.config import TrainConfig
from visual_her.errors import UsageError
from visual_her.pixel_env import BlankPixels, PixelObservationWrapper

TASKS = ("FetchReach-v4", "FetchPush-v4", "FetchSlide-v4", "FetchPickAndPlace-v4")


def make_task(env_id: str) -> gym.Env[Any, Any]:
    """The bare task with sparse reward and its time limit, without a camera.

    Args:
        env_id: one of ``TASKS``, or ``module:Name-v0`` for a goal-conditioned task of one's own, which gymnasium finds
            by importing ``module``.

    Raises:
        UsageError: there is no such task, or it has no goals.
    """
    if ":" not in env_id and env_id not in TASKS:
        near = difflib.get_close_matches(env_id, TASKS, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"the env {env_id!r} is unknown: {hint}Choose one of {', '.join(TASKS)}, or module:Name-v0.")
    with contextlib.redirect_stderr(io.StringIO()):  # a notice about hand environments that we do not use
        import gymnasium_robotics

        gym.register_envs(gymnasium_robotics)
        try:
            task = gym.make(env_id)
        except (gym.error.Error, ImportError) as error:
            raise UsageError(f"the env {env_id!r} cannot be made ({error}): check module and name.") from error
    if not hasattr(task.unwrapped, "compute_reward"):
        raise UsageError(f"the env {env_id!r} has no compute_reward, which HER needs: choose a goal-conditioned task.")
    return task


def make_env(config: TrainConfig) -> gym.Env[Any, Any]:
    """One environment as ``config`` describes it, with episode statistics.

    HER needs both goals, so both are in the observation; what the networks see of them is the extractor's part.
    """
    task = make_task(config.env)
    if config.full_state:
        return Monitor(task)
    if not config.pixels:
        return Monitor(Proprioception(task))
    env: gym.Env[Any, Any] = PixelObservationWrapper(
        task,
        goal_mode="both",
        frame_stack=config.frame_stack,
        image_size=config.image_size,
        render_size=config.render_size,
        camera=config.camera,
        goal_marker=config.goal_marker,
    )
    if config.blank_pixels:
        env = BlankPixels(env)
    return Monitor(env)


class Proprioception(PixelObservationWrapper):
    """The observation of ``PixelObservationWrapper`` without its pixels; nothing is rendered."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        space: gym.spaces.Dict = self.observation_space  # type: ignore[assignment]
        self.observation_space = gym.spaces.Dict({key: box for key, box in space.items() if key != "pixels"})  # type: ignore[assignment]

    def _append_frame(self, *, fill: bool = False) -> None:
        """Draws nothing."""

    def _pixels(self) -> dict[str, Any]:
        return {}


def make_vec_env(config: TrainConfig) -> VecEnv:
    """``n_envs`` environments. Those that render run in spawned processes, which open their GL contexts lazily.

    Without rendering a step takes about 1 ms, and sending it between processes costs more than it gains.
    """
    if config.n_envs == 1 or not config.uses_pixels:
        return DummyVecEnv([lambda: make_env(config)] * config.n_envs)
    return SubprocVecEnv([_worker(config)] * config.n_envs, start_method="spawn")


def _worker(config: TrainConfig) -> Callable[[], gym.Env[Any, Any]]:
    def make() -> gym.Env[Any, Any]:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the trainer's, which then closes its workers
        torch.set_num_threads(1)
        os.environ.setdefault("LP_NUM_THREADS", "1")  # the software renderer: one thread a worker
        return make_env(config)

    return make
