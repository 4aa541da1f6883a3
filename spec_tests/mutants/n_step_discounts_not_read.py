"""The TD target multiplies the next value by gamma, whatever the batch's discounts are."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-029": "by the batch's discounts instead of by gamma"}
MAY_ALSO_FAIL = ()


def _td_target(self, batch):
    return right(self, batch._replace(discounts=None))


right = sac.PixelSAC._td_target
sac.PixelSAC._td_target = _td_target
