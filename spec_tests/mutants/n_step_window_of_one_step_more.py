"""A window of n_steps = n ends n + 1 steps ahead, so that n_steps = 1 is of two steps."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-034": "with n_steps = 1 give one step", "RPL-030": "look n_steps ahead", "RPL-031": "really taken"}
MAY_ALSO_FAIL = ("HER", "RPL", "TRN")


def _init(self, *arguments, n_steps=1, **options):
    right(self, *arguments, n_steps=n_steps + 1, **options)


right = replay.HerFrameBuffer.__init__
replay.HerFrameBuffer.__init__ = _init
