"""Pictures begin with OpenGL's first row, which is the lowest."""

from visual_her import rendering
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-019": "check camera and image orientation", "OBS-023": "it is upside down"}
MAY_ALSO_FAIL = ()

right = rendering.FrameRenderer.draw
rendering.FrameRenderer.draw = lambda self: right(self)[::-1]
