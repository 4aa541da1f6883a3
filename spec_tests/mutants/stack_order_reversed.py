"""The wrapper puts the newest frame first."""

import numpy as np
from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-004": "newest first"}
MAY_ALSO_FAIL = ()


def _pixels(self):
    return {"pixels": np.concatenate([frame.transpose(2, 0, 1) for frame in reversed(self._frames)])}


pixel_env.PixelObservationWrapper._pixels = _pixels
