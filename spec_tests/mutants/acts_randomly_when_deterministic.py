"""``deterministic`` is not passed on: evaluation samples from the policy."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-009": "return the policy's mean"}
MAY_ALSO_FAIL = ("ENC-007", "SAV-001")

right = sac.PixelSAC.predict
sac.PixelSAC.predict = lambda self, observations, **options: right(self, observations, deterministic=False)
