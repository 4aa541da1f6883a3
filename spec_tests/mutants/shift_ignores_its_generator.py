"""Shifts are drawn from torch's global generator instead of the seeded one."""

from visual_her import augmentation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-009": "a generator that was given the seed"}
MAY_ALSO_FAIL = ()

right = augmentation.RandomShift.__init__
augmentation.RandomShift.__init__ = lambda self, pad=4, generator=None: right(self, pad)
