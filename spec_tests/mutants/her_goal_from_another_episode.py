"""A goal is drawn from all that is stored of the env."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-003": "take goals from its own episode"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    chosen = np.flatnonzero(self.rng.random(len(slots)) < self.n_sampled_goal / (self.n_sampled_goal + 1))
    envs, slots = envs[chosen], slots[chosen]
    drawn = self.rng.integers(self._tail[envs], self._complete[envs])
    goals = self._vectors["achieved_goal"][envs, drawn % self.slots]
    obs["desired_goal"][chosen] = next_obs["desired_goal"][chosen] = goals
    rewards[chosen, 0] = self.compute_reward(next_obs["achieved_goal"][chosen], goals, [{}] * len(chosen))


replay.HerFrameBuffer._relabel = _relabel
