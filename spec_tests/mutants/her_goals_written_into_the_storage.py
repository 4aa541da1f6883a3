"""Relabelling writes new goals and rewards into the storage, where the next draw finds them."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-013": "transitions never have their own goal: relabel the batch only"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    right(self, envs, slots, obs, next_obs, rewards)
    self._vectors["desired_goal"][envs, slots % self.slots] = obs["desired_goal"]
    self._rewards[envs, slots % self.slots] = rewards[:, 0]


right = replay.HerFrameBuffer._relabel
replay.HerFrameBuffer._relabel = _relabel
