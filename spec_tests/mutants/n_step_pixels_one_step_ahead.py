"""The next observation has vectors of n steps ahead and pixels of one step ahead."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-030": "give pixels and vectors of one instant"}
MAY_ALSO_FAIL = ()


def _stacks(self, envs, slots, ends):
    return right(self, envs, slots, slots + 1)


right = replay.HerFrameBuffer._stacks
replay.HerFrameBuffer._stacks = _stacks
