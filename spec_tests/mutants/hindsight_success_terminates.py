"""A transition that reaches its new goal is said to end the task."""

import torch
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-012": "the termination of the transition"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    batch = right(self, envs, slots)
    return batch._replace(dones=torch.maximum(batch.dones, (batch.rewards == 0).float()))


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
