"""The discount is gamma to the n, at an episode's end as well, where fewer steps were taken."""

import torch
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-031": "to the power of the steps that were really taken"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    batch = right(self, envs, slots)
    if batch.discounts is None:
        return batch
    return batch._replace(discounts=torch.full_like(batch.discounts, self.gamma**self.n_steps))


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
