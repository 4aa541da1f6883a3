"""``acceptance.blind_history:FetchPushBlind-v0``: what the chapter's four frames tell, without the frames.

A puck's velocity needs more than one instant. The ``observation`` of this FetchPush is the proprioception and the
achieved goal of the last ``STEPS`` control steps, so that recipe fast-state on it is the blind control with history.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from visual_her.pixel_env import FETCH_OBJECT_PROPRIOCEPTION
from visual_her.vec_env import make_task

STEPS = 4
Observation = dict[str, npt.NDArray[Any]]


class BlindHistory(gym.Wrapper[Observation, Any, Observation, Any]):
    """Replaces ``observation`` by float64 (13 * STEPS,), metres and metres per control step, oldest step first.

    A reset fills it with the episode's first step; nothing crosses an episode. The goals stay as they are.
    """

    def __init__(self, env: gym.Env[Observation, Any]) -> None:
        super().__init__(env)
        self._steps: deque[npt.NDArray[Any]] = deque(maxlen=STEPS)
        width = len(FETCH_OBJECT_PROPRIOCEPTION) + 3
        history = gym.spaces.Box(-np.inf, np.inf, (STEPS * width,), np.float64)
        self.observation_space = gym.spaces.Dict({**env.observation_space.spaces, "observation": history})  # type: ignore[attr-defined, assignment]

    def reset(self, **options: Any) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode; its first step is all of the history."""
        observation, info = self.env.reset(**options)
        self._steps.clear()
        return self._remember(observation), info

    def step(self, action: Any) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """Steps the task and forgets the oldest step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._remember(observation), reward, terminated, truncated, info

    def _remember(self, observation: Observation) -> Observation:
        arm = observation["observation"][list(FETCH_OBJECT_PROPRIOCEPTION)]
        now = np.concatenate([arm, observation["achieved_goal"]])
        self._steps.extend([now] * (1 if self._steps else STEPS))
        return {**observation, "observation": np.concatenate(self._steps)}


gym.register(
    "FetchPushBlind-v0", lambda **_: BlindHistory(make_task("FetchPush-v4")),
    disable_env_checker=True, order_enforce=False,
)  # fmt: skip
