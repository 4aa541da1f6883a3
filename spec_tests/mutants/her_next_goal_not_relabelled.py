"""Only the observation gets the new goal, the next observation keeps its own."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-008": "relabel both"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    right(self, envs, slots, obs, {**next_obs, "desired_goal": next_obs["desired_goal"].copy()}, rewards)


right = replay.HerFrameBuffer._relabel
replay.HerFrameBuffer._relabel = _relabel
