"""DrQ-v2's grid, made for pixel centres, is sampled with ``align_corners``."""

import torch
from torch.nn import functional
from visual_her import augmentation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-002": "do not interpolate"}
MAY_ALSO_FAIL = ()


def _call(self, pixels):
    batch, _, size, _ = pixels.shape
    side = size + 2 * self.pad
    padded = functional.pad(pixels.float(), [self.pad] * 4, mode="replicate")
    centres = torch.linspace(-1 + 1 / side, 1 - 1 / side, side)[:size]
    shift = torch.randint(0, 2 * self.pad + 1, (batch, 1, 1, 2), generator=self.generator) * 2 / side
    grid = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=2) + shift
    return functional.grid_sample(padded, grid, align_corners=True).round().to(pixels.dtype)


augmentation.RandomShift.__call__ = _call
