"""The option render_size does not reach the renderer."""

from visual_her import rendering
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-024": "render 480 pixels"}
MAY_ALSO_FAIL = ()


def _init(self, env, **options):
    right(self, env, **{**options, "render_size": 2 * options["image_size"]})


right = rendering.FrameRenderer.__init__
rendering.FrameRenderer.__init__ = _init
