"""The TD target multiplies every next value by the batch's mean discount."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-029": "each row by its own"}
MAY_ALSO_FAIL = ()


def _td_target(self, batch):
    if batch.discounts is not None:
        batch = batch._replace(discounts=torch.full_like(batch.discounts, float(batch.discounts.mean())))
    return right(self, batch)


right = sac.PixelSAC._td_target
sac.PixelSAC._td_target = _td_target
