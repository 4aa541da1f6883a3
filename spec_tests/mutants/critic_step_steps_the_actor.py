"""Both losses are minimised in one go: a critic step is an actor step, too."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-003": "step the critic's optimizer only"}
MAY_ALSO_FAIL = ()


def _critic_step(self, batch, features):
    right(self, batch, features)
    self._actor_step(features.detach(), features.detach())


right = sac.PixelSAC._critic_step
sac.PixelSAC._critic_step = _critic_step
