"""The action of a transition is that of the last step in its window."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-033": "the action of the window's first step"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    batch = right(self, envs, slots)
    last = np.minimum(slots + self.n_steps, self._episode_final[envs, slots % self.slots]) - 1
    return batch._replace(actions=self.to_torch(self._actions[envs, last % self.slots]))


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
