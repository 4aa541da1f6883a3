"""Q-values (B, 1) meet targets (B,) in the loss, which broadcasts them: all regress to the batch's mean target."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-007": "both of one shape"}
MAY_ALSO_FAIL = ()


def _critic_step(self, batch, features):
    target = self._td_target(batch)[:, 0]
    inputs = torch.cat([features, batch.actions], dim=1)
    loss = 0.5 * sum(((q_network(inputs) - target) ** 2).mean() for q_network in self.critic.q_networks)
    self._minimise(loss, self.critic.optimizer)
    self._record("critic_loss", loss)


sac.PixelSAC._critic_step = _critic_step
