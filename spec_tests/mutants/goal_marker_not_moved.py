"""The marker is left to the task, which moves it only when it draws itself."""

from visual_her import rendering
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-022": "move it before drawing"}
MAY_ALSO_FAIL = ()


def _update(self, renderer):
    renderer.update_scene(self._env.data, camera=self._camera, scene_option=self._options)
    return renderer


rendering.FrameRenderer._update = _update
