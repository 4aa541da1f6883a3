"""A shift is drawn from twice the pad, as wide as the crop can move and not as far as it may."""

from visual_her import augmentation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-003": "draw from -pad to +pad"}
MAY_ALSO_FAIL = ()


def _call(self, pixels):
    return right(augmentation.RandomShift(2 * self.pad, self.generator), pixels)


right = augmentation.RandomShift.__call__
augmentation.RandomShift.__call__ = _call
