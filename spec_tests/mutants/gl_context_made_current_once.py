"""A GL context is made current when it is opened and never again."""

from visual_her import rendering
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-026": "make its own GL context current before each draw"}
MAY_ALSO_FAIL = ()


def _open(self):
    renderer = right(self)
    renderer._gl_context.make_current = lambda: None
    return renderer


right = rendering.FrameRenderer._open
rendering.FrameRenderer._open = _open
