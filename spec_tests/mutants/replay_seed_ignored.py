"""The buffer's draws, goals and shifts are not decided by its seed."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-029": "let the seed decide draws, goals and shifts"}
MAY_ALSO_FAIL = ()


def __init__(self, *args, seed=None, **options):
    right(self, *args, **options)


right = replay.HerFrameBuffer.__init__
replay.HerFrameBuffer.__init__ = __init__
