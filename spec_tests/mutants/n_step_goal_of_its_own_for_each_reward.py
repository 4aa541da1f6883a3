"""Relabelling draws a goal for each step of the window: the later rewards are of goals that the batch does not show."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-016": "sum up the task's rewards for the goal that the batch shows"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    right(self, envs, slots, obs, next_obs, rewards)
    for step in range(1, self.n_steps):
        others = rewards.copy()
        shown = {key: value.copy() for key, value in obs.items()}
        right(self, envs, slots, shown, {key: value.copy() for key, value in next_obs.items()}, others)
        rewards[:, step] = others[:, step]


right = replay.HerFrameBuffer._relabel
replay.HerFrameBuffer._relabel = _relabel
