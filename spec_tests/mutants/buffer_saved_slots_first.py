"""Frames are saved with the slots before the envs, and loaded the other way round."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-024": "save and load every array in its own order"}
MAY_ALSO_FAIL = ()


def _state_arrays(self):
    arrays = right(self)
    frames = arrays["frames"]
    return {**arrays, "frames": frames.swapaxes(0, 1).reshape(frames.shape)}


right = replay.HerFrameBuffer.state_arrays
replay.HerFrameBuffer.state_arrays = _state_arrays
