"""Each frame of a stack is shifted by itself."""

from visual_her import augmentation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-006": "draw one shift a sample", "AUG-010": "shift all its frames alike"}
MAY_ALSO_FAIL = ()


def _call(self, pixels):
    frames = pixels.reshape(-1, min(3, pixels.shape[1]), *pixels.shape[2:])
    return right(self, frames).view(pixels.shape)


right = augmentation.RandomShift.__call__
augmentation.RandomShift.__call__ = _call
