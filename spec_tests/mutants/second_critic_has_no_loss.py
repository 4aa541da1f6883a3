"""The critics' loss is the first critic's: the second one stays as it was made."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-002": "give every critic a loss"}
MAY_ALSO_FAIL = ()


def _critic_step(self, batch, features):
    both, self.critic.q_networks = self.critic.q_networks, self.critic.q_networks[:1]
    right(self, batch, features)
    self.critic.q_networks = both


right = sac.PixelSAC._critic_step
sac.PixelSAC._critic_step = _critic_step
