"""A buffer that is full drops what is added."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-015": "take in every episode"}
MAY_ALSO_FAIL = ()


def _add(self, *transition):
    if self._complete.max() < self.slots:
        right(self, *transition)


right = replay.HerFrameBuffer.add
replay.HerFrameBuffer.add = _add
