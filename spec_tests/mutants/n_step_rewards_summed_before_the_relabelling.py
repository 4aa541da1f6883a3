"""The stored rewards are summed up before a goal is relabelled, and none is computed anew."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-016": "compute all of them after the relabelling"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    right(self, envs, slots, obs, next_obs, rewards if self.n_steps == 1 else rewards.copy())


right = replay.HerFrameBuffer._relabel
replay.HerFrameBuffer._relabel = _relabel
