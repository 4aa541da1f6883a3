"""The oldest episode is dropped one slot too late, when its first one is overwritten already."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-008": "drop what is overwritten"}
MAY_ALSO_FAIL = ()


def _make_room(self, env, slot):
    right(self, env, slot - 1)


right = replay.HerFrameBuffer._make_room
replay.HerFrameBuffer._make_room = _make_room
