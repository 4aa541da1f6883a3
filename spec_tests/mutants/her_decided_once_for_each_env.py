"""One draw an env decides whether its transitions of a batch are relabelled."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-015": "decide for each transition by itself"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    share = self.n_sampled_goal / (self.n_sampled_goal + 1)
    chosen = np.flatnonzero((self.rng.random(self.n_envs) < share)[envs])
    envs, slots = envs[chosen], slots[chosen]
    later = self.rng.integers(slots + 1, self._episode_final[envs, slots % self.slots] + 1)
    goals = self._vectors["achieved_goal"][envs, later % self.slots]
    obs["desired_goal"][chosen] = next_obs["desired_goal"][chosen] = goals
    rewards[chosen, 0] = self.compute_reward(next_obs["achieved_goal"][chosen], goals, [{}] * len(chosen))


replay.HerFrameBuffer._relabel = _relabel
