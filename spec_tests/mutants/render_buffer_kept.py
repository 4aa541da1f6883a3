"""The stack keeps the array that the task's render() returned."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-010": "copy what render() returns"}
MAY_ALSO_FAIL = ()


def _draw(self):
    if self._renderer is None and (picture := self.env.render()).shape[0] == self._image_size:
        return picture
    return right(self)


right = pixel_env.PixelObservationWrapper._draw
pixel_env.PixelObservationWrapper._draw = _draw
