"""The last transition of an episode is left out of every draw, together with its final observation."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-013": "and draw all of it"}
MAY_ALSO_FAIL = ()


def _draw_transitions(self, batch_size):
    envs, slots = right(self, 20 * batch_size)
    earlier = np.flatnonzero(self._episode_final[envs, slots % self.slots] > slots + 1)[:batch_size]
    return envs[earlier], slots[earlier]


right = replay.HerFrameBuffer._draw_transitions
replay.HerFrameBuffer._draw_transitions = _draw_transitions
