"""The window is n steps long wherever it begins, and goes on in the episode that lies behind."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-030": "no farther than the episode's final observation"}
MAY_ALSO_FAIL = ("RPL", "HER")


def _get_samples(self, envs, slots):
    if self.n_steps == 1:
        return right(self, envs, slots)
    newest = self._complete[envs] - 1
    final = self._episode_final
    self._episode_final = np.broadcast_to(np.iinfo(np.int64).max // 2, final.shape).copy()
    self._episode_final[envs, slots % self.slots] = np.minimum(slots + self.n_steps, newest)
    batch = right(self, envs, slots)
    self._episode_final = final
    return batch


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
