"""The option goal_marker does not reach the renderer."""

from visual_her import rendering
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-021": "leave the site target0 out"}
MAY_ALSO_FAIL = ()


def _init(self, env, **options):
    right(self, env, **{**options, "goal_marker": "visible"})


right = rendering.FrameRenderer.__init__
rendering.FrameRenderer.__init__ = _init
