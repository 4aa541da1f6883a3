"""Tasks that write down what is done to them, so that a whole training run can be judged from outside.

They are gymnasium environments by name, ``ID`` and ``MUJOCO_ID``, so that worker processes can make them as well. What
the folder in the environment variable ``LOG`` receives is one file of JSON lines an environment. ``HIDE`` keeps the
object's position from whoever looks.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from visual_her_spec.fake_env import FakeEnv

LOG = "VISUAL_HER_SPEC_LOG"
HIDE = "VISUAL_HER_SPEC_HIDE"  # where it is set, achieved_goal is NaN in every observation
ID = "visual_her_spec.logged_env:VisualHerSpecRun-v0"
MUJOCO_ID = "visual_her_spec.logged_env:VisualHerSpecReach-v0"
EPISODE_LENGTH = 10
SIZE = 36  # of the picture: the smallest that NatureCNN takes


@dataclass(frozen=True)
class Event:
    """A reset (``action`` is ``None``) or a step.

    Attributes:
        seed: of the reset.
        action: of the step.
        success: ``is_success`` after the step.
    """

    seed: int | None = None
    action: tuple[float, ...] | None = None
    success: bool = False


class RunEnv(FakeEnv):
    """``FakeEnv`` whose episodes succeed in turn: midway only, at the last step only, never."""

    def __init__(self) -> None:
        super().__init__(episode_length=10**9, size=SIZE)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Counts one step."""
        vectors, reward, terminated, truncated, _ = super().step(action)
        success = (self.episode % 3, self.steps) in {(0, EPISODE_LENGTH // 2), (1, EPISODE_LENGTH)}
        return vectors, reward, terminated, truncated, {"is_success": success}

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """Logs at which step of its episode each of the achieved goals was achieved."""
        if folder := os.environ.get(LOG):
            steps = np.atleast_2d(achieved_goal)[:, 0].astype(int).tolist()
            with open(Path(folder) / f"{os.getpid()}-{id(self)}.outcomes", "a") as file:
                file.write(json.dumps(steps) + "\n")
        return super().compute_reward(achieved_goal, desired_goal, info)


class Logged(gym.Wrapper[Any, Any, Any, Any]):
    """Appends each reset and step to a file of its own."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Logs the seed."""
        self._write([seed, None, False])
        observation, info = super().reset(seed=seed, options=options)
        return self._shown(observation), info

    def step(self, action: Any) -> Any:
        """Logs the action and the success."""
        observation, reward, terminated, truncated, info = super().step(action)
        self._write([None, [float(value) for value in np.asarray(action)], bool(info["is_success"])])
        return self._shown(observation), reward, terminated, truncated, info

    def _shown(self, observation: dict[str, Any]) -> dict[str, Any]:
        hidden = {"achieved_goal": np.full_like(observation["achieved_goal"], np.nan)} if os.environ.get(HIDE) else {}
        return {**observation, **hidden}

    def _write(self, event: list[Any]) -> None:
        if folder := os.environ.get(LOG):
            with open(Path(folder) / f"{os.getpid()}-{id(self)}.jsonl", "a") as file:
                file.write(json.dumps(event) + "\n")


def read_log(folder: Path) -> list[list[Event]]:
    """The events of each environment that took a step."""
    logs = []
    for path in sorted(folder.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        logs.append([Event(seed, action and tuple(action), success) for seed, action, success in lines])
    return [log for log in logs if any(event.action for event in log)]


def read_outcomes(folder: Path) -> list[int]:
    """The steps of all goals that ``compute_reward`` was given as achieved."""
    files = sorted(folder.glob("*.outcomes"))
    return [step for path in files for line in path.read_text().splitlines() for step in json.loads(line)]


def complete_episodes(log: list[Event]) -> list[list[Event]]:
    """The steps of each episode that went on to its time limit."""
    episodes: list[list[Event]] = []
    for event in log:
        if event.action is None:
            episodes.append([])
        else:
            episodes[-1].append(event)
    return [steps for steps in episodes if len(steps) == EPISODE_LENGTH]


def _run() -> gym.Env[Any, Any]:
    return Logged(RunEnv())


def _reach() -> gym.Env[Any, Any]:
    with contextlib.redirect_stderr(io.StringIO()):  # a notice about other environments
        import gymnasium_robotics

        gym.register_envs(gymnasium_robotics)
        return Logged(gym.make("FetchReach-v4").unwrapped)


for _id, _function in ((ID, _run), (MUJOCO_ID, _reach)):
    gym.register(
        _id.partition(":")[2],
        f"{__name__}:{_function.__name__}",
        max_episode_steps=EPISODE_LENGTH,
        disable_env_checker=True,
        order_enforce=False,
    )
