"""A reset appends its frame to the last episode's stack."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-006": "clear the stack at reset"}
MAY_ALSO_FAIL = ()

right = pixel_env.PixelObservationWrapper._append_frame
pixel_env.PixelObservationWrapper._append_frame = lambda self, *, fill=False: right(self, fill=not self._frames)
