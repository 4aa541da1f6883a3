"""A share of k / (k + 2) is relabelled instead of k / (k + 1)."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-001": "the share is k / (k + 1)"}
MAY_ALSO_FAIL = ()


def _init(self, *arguments, **options):
    right(self, *arguments, **options)
    self.n_sampled_goal /= 2  # k/2 / (k/2 + 1)


right = replay.HerFrameBuffer.__init__
replay.HerFrameBuffer.__init__ = _init
