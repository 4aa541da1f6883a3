"""An episode of one step is taken for one without a future, and keeps its goal."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-007": "no transition of episodes of a single step is relabelled"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    at = slots % self.slots
    before = obs["desired_goal"].copy(), next_obs["desired_goal"].copy(), rewards.copy()
    right(self, envs, slots, obs, next_obs, rewards)
    short = self._episode_final[envs, at] - self._episode_start[envs, at] == 1
    for array, own in zip((obs["desired_goal"], next_obs["desired_goal"], rewards), before, strict=True):
        array[short] = own[short]


right = replay.HerFrameBuffer._relabel
replay.HerFrameBuffer._relabel = _relabel
