"""The space bounds every MuJoCo task's goals by the part of the table that FetchPush uses."""

import numpy as np
from gymnasium import spaces
from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-015": "goal of FetchSlide-v4 leaves the bounds of its space"}
MAY_ALSO_FAIL = ()


def _init(self, env, **options):
    right(self, env, **options)
    if self._renderer is not None:
        table = spaces.Box(np.array([1.0, 0.4, 0.4]), np.array([1.6, 1.1, 0.9]), dtype=np.float64)
        self.observation_space.spaces.update(dict.fromkeys(self._goal_keys, table))


right = pixel_env.PixelObservationWrapper.__init__
pixel_env.PixelObservationWrapper.__init__ = _init
