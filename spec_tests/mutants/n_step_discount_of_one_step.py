"""The discount is gamma, whichever number of steps the rewards are of."""

import torch
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-031": "to the power of the steps that were really taken"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    batch = right(self, envs, slots)
    return batch._replace(discounts=torch.full_like(batch.rewards, self.gamma) if self.n_steps > 1 else None)


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
