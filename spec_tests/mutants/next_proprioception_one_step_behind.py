"""Only goals and pixels of the next observation are read anew, its proprioception is the observation's."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-006": "proprioception in the next_observation"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    batch = right(self, envs, slots)
    batch.next_observations["proprioception"] = batch.observations["proprioception"].clone()
    return batch


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
