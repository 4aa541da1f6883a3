"""Vectors are cast to float32, and the observation space is not told."""

import numpy as np
from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-002": "float32 where the observation space says"}
MAY_ALSO_FAIL = ()


def _observe(self, state):
    observation = right(self, state)
    return {key: v if key == "pixels" else v.astype(np.float32) for key, v in observation.items()}


right = pixel_env.PixelObservationWrapper._observe
pixel_env.PixelObservationWrapper._observe = _observe
