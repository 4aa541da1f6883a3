"""The seed does not reach the agent."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-012": "seed before networks are made", "TRN-013": "let the seed decide sampled actions"}
MAY_ALSO_FAIL = ("GRD-010",)

right = sac.PixelSAC.__init__
sac.PixelSAC.__init__ = lambda self, *args, **options: right(self, *args, **{**options, "seed": None})
