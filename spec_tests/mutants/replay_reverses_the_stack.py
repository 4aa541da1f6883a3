"""A sampled stack is rebuilt newest frame first."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-002": "oldest first", "RPL-004": "frame 1 of 4 shows"}
MAY_ALSO_FAIL = ()


def _stacks(self, envs, slots, ends):
    return tuple(
        pixels.unflatten(1, (self.frame_stack, -1)).flip(1).flatten(1, 2) for pixels in right(self, envs, slots, ends)
    )


right = replay.HerFrameBuffer._stacks
replay.HerFrameBuffer._stacks = _stacks
