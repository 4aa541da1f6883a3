"""Seven of ten hindsight goals are what the transition itself achieved."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-014": "draw uniformly from step + 1"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    chosen = np.flatnonzero(self.rng.random(len(slots)) < self.n_sampled_goal / (self.n_sampled_goal + 1))
    envs, slots = envs[chosen], slots[chosen]
    finals = self._episode_final[envs, slots % self.slots]
    later = np.where(self.rng.random(len(slots)) < 0.7, slots + 1, self.rng.integers(slots + 1, finals + 1))
    goals = self._vectors["achieved_goal"][envs, later % self.slots]
    obs["desired_goal"][chosen] = next_obs["desired_goal"][chosen] = goals
    rewards[chosen, 0] = self.compute_reward(next_obs["achieved_goal"][chosen], goals, [{}] * len(chosen))


replay.HerFrameBuffer._relabel = _relabel
