"""With one step the discount is 1, as its power is counted from zero."""

import torch
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-034": "give gamma, or leave discounts out"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    batch = right(self, envs, slots)
    return batch._replace(discounts=torch.ones_like(batch.rewards)) if self.n_steps == 1 else batch


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
