"""The upper end of ``torch.randint`` is taken for inclusive."""

from types import SimpleNamespace

import torch
from visual_her import augmentation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-004": "both included"}
MAY_ALSO_FAIL = ()


def _randint(low, high, *size, **options):
    return torch.randint(low, max(high - 1, low + 1), *size, **options)


augmentation.torch = SimpleNamespace(arange=torch.arange, randint=_randint)
