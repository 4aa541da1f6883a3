"""The frame is drawn before the task steps."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-007": "draw after the task has stepped", "OBS-025": "update the scene after the task has stepped"}
MAY_ALSO_FAIL = ()


def _step(self, action):
    self._append_frame()
    state, reward, terminated, truncated, info = self.env.step(action)
    return self._observe(state), float(reward), terminated, truncated, info


pixel_env.PixelObservationWrapper.step = _step
