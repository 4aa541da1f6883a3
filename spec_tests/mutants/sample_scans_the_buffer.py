"""Every draw lists all that is stored to find out what can be drawn."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-023": "instead of scanning for it"}
MAY_ALSO_FAIL = ()


def _draw_transitions(self, batch_size):
    envs = np.repeat(np.arange(self.n_envs), self._complete - self._tail)
    slots = np.concatenate([np.arange(*bounds) for bounds in zip(self._tail, self._complete, strict=True)])
    valid = np.flatnonzero(self._episode_final[envs, slots % self.slots] != slots)
    drawn = self.rng.choice(valid, batch_size)
    return envs[drawn], slots[drawn]


replay.HerFrameBuffer._draw_transitions = _draw_transitions
