"""The pad is read as ``pad or 4``, so that 0 counts as not given."""

from visual_her import augmentation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-008": "return the image as it is"}
MAY_ALSO_FAIL = ()


def _init(self, pad=4, generator=None):
    right(self, pad or 4, generator)


right = augmentation.RandomShift.__init__
augmentation.RandomShift.__init__ = _init
