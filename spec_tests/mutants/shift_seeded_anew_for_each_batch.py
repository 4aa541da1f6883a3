"""Replay seeds the generator of its shifts for each batch."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-012": "do not seed it anew"}
MAY_ALSO_FAIL = ()


def _stacks(self, envs, slots, ends):
    if self._shift:
        self._shift.generator.manual_seed(0)
    return right(self, envs, slots, ends)


right = replay.HerFrameBuffer._stacks
replay.HerFrameBuffer._stacks = _stacks
