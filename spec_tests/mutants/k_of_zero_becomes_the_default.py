"""``k or default``: switching hindsight off switches its default on."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-002": "relabelled with k = 0"}
MAY_ALSO_FAIL = ()


def _init(self, *arguments, n_sampled_goal=None, **options):
    right(self, *arguments, n_sampled_goal=n_sampled_goal or 4, **options)


right = replay.HerFrameBuffer.__init__
replay.HerFrameBuffer.__init__ = _init
