"""The classifier's rewards are those of the instant after its frame: what was achieved one slot later."""

import numpy as np
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION
from visual_her.rewards_alone import BeliefBuffer

CAUGHT_BY = {"BEL-003": "compute them from what was achieved when the frame was taken"}
MAY_ALSO_FAIL = ()

_sample_lesson = BeliefBuffer.sample_lesson


def _late(self, *args, **kwargs):
    achieved = self._vectors["achieved_goal"]
    self._vectors["achieved_goal"] = np.roll(achieved, -1, axis=1)
    try:
        return _sample_lesson(self, *args, **kwargs)
    finally:
        self._vectors["achieved_goal"] = achieved


BeliefBuffer.sample_lesson = _late
