"""A transition that is relabelled keeps the reward of its own goal."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-009": "recompute it", "HER-010": "another reward"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    right(self, envs, slots, obs, next_obs, rewards.copy())


right = replay.HerFrameBuffer._relabel
replay.HerFrameBuffer._relabel = _relabel
