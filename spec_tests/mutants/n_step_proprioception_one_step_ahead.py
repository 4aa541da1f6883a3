"""Of the next observation goals and pixels are n steps ahead, and proprioception is one step ahead."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-030": "proprioception of another instant"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    batch = right(self, envs, slots)
    following = self._vectors["proprioception"][envs, (slots + 1) % self.slots]
    batch.next_observations["proprioception"] = self.to_torch(following)
    return batch


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
