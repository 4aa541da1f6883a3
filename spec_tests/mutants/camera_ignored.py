"""The option camera does not reach the renderer."""

from visual_her import rendering
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-020": "bring the camera closer"}
MAY_ALSO_FAIL = ()


def _init(self, env, **options):
    right(self, env, **{**options, "camera": "default"})


right = rendering.FrameRenderer.__init__
rendering.FrameRenderer.__init__ = _init
