"""What a shift brings in from outside is black."""

from torch.nn import functional
from visual_her import augmentation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-005": "probably black"}
MAY_ALSO_FAIL = ()


def _call(self, pixels):
    height, width = pixels.shape[2:]
    shifted = right(self, functional.pad(pixels, [self.pad] * 4))
    return shifted[:, :, self.pad : self.pad + height, self.pad : self.pad + width]


right = augmentation.RandomShift.__call__
augmentation.RandomShift.__call__ = _call
