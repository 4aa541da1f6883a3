"""The wrapper goes through the old API's ``done``: a time limit becomes a termination."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-012": "terminated is True"}
MAY_ALSO_FAIL = ()


def _step(self, action):
    observation, reward, terminated, truncated, info = right(self, action)
    return observation, reward, terminated or truncated, False, info


right = pixel_env.PixelObservationWrapper.step
pixel_env.PixelObservationWrapper.step = _step
