"""A shift gives back the floats that it computes with."""

from visual_her import augmentation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-001": "give back the dtype that came in"}
MAY_ALSO_FAIL = ()

right = augmentation.RandomShift.__call__
augmentation.RandomShift.__call__ = lambda self, pixels: right(self, pixels.float())
