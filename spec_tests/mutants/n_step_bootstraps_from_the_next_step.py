"""Rewards of several steps are followed by the value of the observation one step ahead."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-030": "look n_steps ahead"}
MAY_ALSO_FAIL = ("HER",)


def _get_samples(self, envs, slots):
    batch = right(self, envs, slots)
    if self.n_steps > 1:
        n_steps, self.n_steps = self.n_steps, 1
        one = right(self, envs, slots)
        self.n_steps = n_steps
        goal = {"desired_goal": batch.next_observations["desired_goal"]}
        batch = batch._replace(next_observations={**one.next_observations, **goal})
    return batch


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
