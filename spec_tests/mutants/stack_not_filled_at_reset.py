"""A reset leaves black frames before the episode's first one."""

import numpy as np
from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-005": "fill the whole stack with it at reset"}
MAY_ALSO_FAIL = ()


def _append_frame(self, *, fill=False):
    right(self, fill=fill)
    for age in range(len(self._frames) - 1 if fill else 0):
        self._frames[age] = np.zeros_like(self._frames[age])


right = pixel_env.PixelObservationWrapper._append_frame
pixel_env.PixelObservationWrapper._append_frame = _append_frame
