"""A goal is drawn for every row and written into the chosen ones only, but all rewards are computed from it."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-011": "recompute rewards of relabelled rows only"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    chosen = self.rng.random(len(slots)) < self.n_sampled_goal / (self.n_sampled_goal + 1)
    later = self.rng.integers(slots + 1, self._episode_final[envs, slots % self.slots] + 1)
    goals = self._vectors["achieved_goal"][envs, later % self.slots]
    for side in (obs, next_obs):
        side["desired_goal"] = np.where(chosen[:, None], goals, side["desired_goal"])
    if chosen.any():
        rewards[:, 0] = self.compute_reward(next_obs["achieved_goal"], goals, [{}] * len(slots))


replay.HerFrameBuffer._relabel = _relabel
