"""Every observation is the same array of pixels, written over at each step."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-008": "return copies, not buffers", "OBS-013": "pixels of terminal_observation"}
MAY_ALSO_FAIL = ()


def _pixels(self):
    pixels = right(self)["pixels"]
    reused = vars(self).setdefault("reused", pixels)
    reused[:] = pixels
    return {"pixels": reused}


right = pixel_env.PixelObservationWrapper._pixels
pixel_env.PixelObservationWrapper._pixels = _pixels
