"""The task, one or many: built from a config."""

from __future__ import annotations

import contextlib
import difflib
import functools
import io
from typing import Any

import gymnasium as gym
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from visual_her.config import TrainConfig
from visual_her.errors import UsageError
from visual_her.pixel_env import BlankPixels, PixelObservationWrapper
from visual_her.workers import MakeEnv, WorkerVecEnv

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
        except Exception as error:  # a module of one's own can fail in any way when it is imported
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UsageError(f"the env {env_id!r} cannot be made ({reason}): check module and name.") from error
    goals = isinstance(task.observation_space, gym.spaces.Dict) and task.observation_space.spaces.get("achieved_goal")
    if not hasattr(task.unwrapped, "compute_reward") or not isinstance(goals, gym.spaces.Box):
        raise UsageError(f"the env {env_id!r} has no goals that HER can relabel: choose a goal-conditioned task.")
    if hasattr(task.unwrapped, "model") and goals.shape != (3,):
        raise UsageError(f"the goals of {env_id!r} are {goals.shape}, not a position: choose a task with 3-D goals.")
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
    view = {
        name: getattr(config, name) for name in ("frame_stack", "image_size", "render_size", "camera", "goal_marker")
    }
    env: gym.Env[Any, Any] = PixelObservationWrapper(task, goal_mode="both", **view)
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
    """``n_envs`` environments. Those that render run in worker processes, which open their GL contexts lazily.

    A GL that crashes ends its worker and not the run. Without rendering a step takes about 1 ms, and sending it between
    processes costs more than it gains, unless the updates run meanwhile.
    """
    envs: list[MakeEnv] = [functools.partial(make_env, config)] * config.n_envs
    return WorkerVecEnv(envs) if config.uses_pixels or config.overlap else DummyVecEnv(envs)
