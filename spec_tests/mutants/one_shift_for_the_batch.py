"""All samples of a batch are shifted alike."""

from visual_her import augmentation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-007": "draw one shift a sample"}
MAY_ALSO_FAIL = ()


def _call(self, pixels):
    return right(self, pixels.flatten(0, 1)[None]).view(pixels.shape)


right = augmentation.RandomShift.__call__
augmentation.RandomShift.__call__ = _call
