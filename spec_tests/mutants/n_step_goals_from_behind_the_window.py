"""A new goal is drawn from behind the window, which near an episode's end is in the next one."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-017": "no farther than its episode's final one"}
MAY_ALSO_FAIL = ("HER",)


def _relabel(self, envs, slots, obs, next_obs, rewards):
    if self.n_steps == 1:
        right(self, envs, slots, obs, next_obs, rewards)
        return
    chosen = np.flatnonzero(self.rng.random(len(slots)) < self.n_sampled_goal / (self.n_sampled_goal + 1))
    envs, slots = envs[chosen], slots[chosen]
    final = self._episode_final[envs, slots % self.slots]
    later = self.rng.integers(slots + self.n_steps, np.maximum(final, slots + self.n_steps) + 1)
    achieved = self._vectors["achieved_goal"]
    goals = achieved[envs, later % self.slots]
    obs["desired_goal"][chosen] = next_obs["desired_goal"][chosen] = goals
    for step in range(self.n_steps):
        reached = achieved[envs, np.minimum(slots + step + 1, final) % self.slots]
        rewards[chosen, step] = self.compute_reward(reached, goals, [{}] * len(chosen))


right = replay.HerFrameBuffer._relabel
replay.HerFrameBuffer._relabel = _relabel
