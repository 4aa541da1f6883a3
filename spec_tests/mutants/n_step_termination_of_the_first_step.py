"""Whether a transition terminated is read at the first step of its window, so that one inside it is missed."""

import torch
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-032": "take that of the last step in its window"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    batch = right(self, envs, slots)
    first = torch.from_numpy(self._terminated[envs, slots % self.slots]).float()
    return batch._replace(dones=first[:, None])


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
