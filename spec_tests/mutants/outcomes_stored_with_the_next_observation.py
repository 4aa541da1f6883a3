"""Action and reward lie in the slot that they led to, and are sampled from the slot that they started from."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-009": "is the one of env", "RPL-010": "reward of the transition"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    stored = self._actions, self._rewards
    self._actions, self._rewards = (np.roll(array, 1, axis=1) for array in stored)
    batch = right(self, envs, slots)
    self._actions, self._rewards = stored
    return batch


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
