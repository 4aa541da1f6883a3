"""Observations and next observations have rings of frames of their own."""

from visual_her import frames
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-021": "store every frame once"}
MAY_ALSO_FAIL = ()


def _init(self, *arguments):
    right(self, *arguments)
    self._next_frames = frames.claim(self._frames.shape, self._frames.device)


right = frames.RawFrames.__init__
frames.RawFrames.__init__ = _init
frames.RawFrames.nbytes = property(lambda self: self._frames.nbytes + self._next_frames.nbytes)
