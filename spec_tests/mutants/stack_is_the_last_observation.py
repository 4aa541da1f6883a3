"""The wrapper builds the next stack from the very array that it returned last."""

import numpy as np
from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-009": "return copies"}
MAY_ALSO_FAIL = ()


def _append_frame(self, *, fill=False):
    frame = self._draw().transpose(2, 0, 1)
    older = [frame] * (self._frames.maxlen - 1) if fill else [self.stack[3:]]
    self.stack = np.concatenate([*older, frame])


pixel_env.PixelObservationWrapper._append_frame = _append_frame
pixel_env.PixelObservationWrapper._pixels = lambda self: {"pixels": self.stack}
