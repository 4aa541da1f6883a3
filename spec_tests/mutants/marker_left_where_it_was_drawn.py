"""The marker's derived position is not restored after drawing, though the task's own render() computes with it."""

from visual_her import rendering
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-029": "the marker's position"}
MAY_ALSO_FAIL = ()


def _update(self, renderer):
    right(self, renderer)
    self._env.data.site_xpos[self._marker] = self._env.goal
    return renderer


right = rendering.FrameRenderer._update
rendering.FrameRenderer._update = _update
