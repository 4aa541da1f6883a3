"""Episodes under way are drawn from as far as they have come."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-020": "wait for its end"}
MAY_ALSO_FAIL = ()


def _sample(self, batch_size, env=None):
    before = self._complete.copy(), self._transitions.copy(), self._open.copy()
    for index in np.flatnonzero(self._open):
        self._close_episode(index)
    batch = right(self, batch_size, env)
    self._complete, self._transitions, self._open = before
    return batch


right = replay.HerFrameBuffer.sample
replay.HerFrameBuffer.sample = _sample
