"""A draw that hits a final observation is moved to the slot before instead of being repeated."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-016": "give each the same probability"}
MAY_ALSO_FAIL = ()


def _draw_transitions(self, batch_size):
    lengths = self._complete - self._tail
    bounds = np.cumsum(lengths)
    drawn = self.rng.integers(bounds[-1], size=batch_size)
    envs = np.searchsorted(bounds, drawn, side="right")
    slots = drawn - (bounds - lengths)[envs] + self._tail[envs]
    return envs, slots - (self._episode_final[envs, slots % self.slots] == slots)


replay.HerFrameBuffer._draw_transitions = _draw_transitions
