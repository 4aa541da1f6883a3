"""Stacks are sampled as floats, four times as many bytes on their way to the GPU."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-001": "keep them uint8"}
MAY_ALSO_FAIL = ()


def _stacks(self, envs, slots, ends):
    return tuple(pixels.float() for pixels in right(self, envs, slots, ends))


right = replay.HerFrameBuffer._stacks
replay.HerFrameBuffer._stacks = _stacks
