"""The index of a frame forgets the env: every stack is read from the first one."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-007": "shows a frame of env 0"}
MAY_ALSO_FAIL = ()


def _stacks(self, envs, slots, ends):
    return right(self, 0 * envs, slots, ends)


right = replay.HerFrameBuffer._stacks
replay.HerFrameBuffer._stacks = _stacks
