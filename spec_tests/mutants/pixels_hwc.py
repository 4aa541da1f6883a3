"""Frames are reshaped to channels first instead of transposed: their bytes stay as they were drawn."""

import numpy as np
from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-003": "transpose each to (3, height, width)"}
MAY_ALSO_FAIL = ()


def _pixels(self):
    return {"pixels": np.concatenate([frame.reshape(3, *frame.shape[:2]) for frame in self._frames])}


pixel_env.PixelObservationWrapper._pixels = _pixels
