"""The TD target adds the next value after a termination as well."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-001": "multiply the next value by 1 - terminated"}
MAY_ALSO_FAIL = ()

right = sac.PixelSAC._td_target
sac.PixelSAC._td_target = lambda self, samples: right(self, samples._replace(dones=0 * samples.dones))
