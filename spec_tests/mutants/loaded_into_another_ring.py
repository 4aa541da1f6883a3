"""Slots are loaded to where they were in a ring of another length."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-026": "refuse, or move every slot"}
MAY_ALSO_FAIL = ()


def _load(self, arrays):
    right(self, {**arrays, "slots": np.array(self.slots)})


right = replay.HerFrameBuffer.load_state_arrays
replay.HerFrameBuffer.load_state_arrays = _load
