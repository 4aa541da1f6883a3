"""A goal is drawn from the present instant up to the last but one."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-005": "draw it from step", "HER-006": "up to and including the final one"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    chosen = np.flatnonzero(self.rng.random(len(slots)) < self.n_sampled_goal / (self.n_sampled_goal + 1))
    envs, slots = envs[chosen], slots[chosen]
    later = self.rng.integers(slots, self._episode_final[envs, slots % self.slots])
    goals = self._vectors["achieved_goal"][envs, later % self.slots]
    obs["desired_goal"][chosen] = next_obs["desired_goal"][chosen] = goals
    rewards[chosen, 0] = self.compute_reward(next_obs["achieved_goal"][chosen], goals, [{}] * len(chosen))


replay.HerFrameBuffer._relabel = _relabel
