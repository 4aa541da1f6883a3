"""Batches of several steps come without discounts, and the bootstrap is discounted by one step."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-031": "give them beside the rewards"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    return right(self, envs, slots)._replace(discounts=None)


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
