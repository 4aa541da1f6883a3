"""A reset of the wrapper keeps the seed to itself."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-028": "pass seed and action on as they are"}
MAY_ALSO_FAIL = ()

right = pixel_env.PixelObservationWrapper.reset
pixel_env.PixelObservationWrapper.reset = lambda self, *, seed=None, options=None: right(self, options=options)
