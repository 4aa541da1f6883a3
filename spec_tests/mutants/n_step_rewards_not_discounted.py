"""The rewards of several steps are summed up as they are, and gamma comes in at the bootstrap only."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-016": "discount the j-th reward"}
MAY_ALSO_FAIL = ()


def _get_samples(self, envs, slots):
    gamma, self.gamma = self.gamma, 1.0
    plain = right(self, envs, slots)
    self.gamma = gamma
    final = self._episode_final[envs, slots % self.slots]
    taken = replay.np.minimum(self.n_steps, final - slots)
    discounts = replay.torch.from_numpy((gamma**taken).astype(replay.np.float32)[:, None])
    return plain._replace(discounts=discounts if self.n_steps > 1 else None)


right = replay.HerFrameBuffer._get_samples
replay.HerFrameBuffer._get_samples = _get_samples
