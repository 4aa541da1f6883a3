"""The entropy term has the other sign, in the TD target and in the actor's loss."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-003": "-alpha log pi(a'|s')", "TRN-008": "alpha log pi - min Q, with this sign"}
MAY_ALSO_FAIL = ()

right = sac.PixelSAC._alpha
sac.PixelSAC._alpha = lambda self: -right(self)
