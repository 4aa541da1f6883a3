"""``lost_context:Lost-v0``: ``Sight-v0`` whose driver crashes the process at its fiftieth step."""

import os
import signal
from typing import Any

import gymnasium as gym
from visual_her_spec.sight_env import SightEnv


class _Lost(SightEnv):
    steps = 0

    def step(self, action: Any) -> Any:
        """As a driver does that has lost its context."""
        self.steps += 1
        if self.steps == 50:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().step(action)


gym.register("Lost-v0", lambda: _Lost(16), max_episode_steps=10, disable_env_checker=True, order_enforce=False)
