"""Batches are slices of one large shuffled batch that is kept until something is added."""

from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-017": "return copies"}
MAY_ALSO_FAIL = ()


def _sample(self, batch_size, env=None):
    added = int(self._cursor.sum())
    if getattr(self, "added", None) != added:
        self.shuffled, self.added = right(self, max(batch_size, 20 * self.size())), added
    start = int(self.rng.integers(len(self.shuffled.actions) - batch_size + 1))

    def cut(part):
        return {key: cut(array) for key, array in part.items()} if isinstance(part, dict) else part[start:][:batch_size]

    return DictReplayBufferSamples(*map(cut, self.shuffled[:5]))


right = replay.HerFrameBuffer.sample
replay.HerFrameBuffer.sample = _sample
