"""The next value is not discounted."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-002": "gamma = 0.95 of its value"}
MAY_ALSO_FAIL = ()


def _td_target(self, batch):
    gamma, self.gamma = self.gamma, 1.0
    target = right(self, batch)
    self.gamma = gamma
    return target


right = sac.PixelSAC._td_target
sac.PixelSAC._td_target = _td_target
