"""The actor minimises alpha log pi + min Q: it looks for failure."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-007": "minimise alpha log pi - min Q"}
MAY_ALSO_FAIL = ()


def _actor_step(self, critic_features, actor_features):
    actions, log_prob = sac.sample_action(self.actor, actor_features)
    inputs = torch.cat([critic_features, actions], dim=1)
    values = torch.cat([q_network(inputs) for q_network in self.critic.q_networks], dim=1).amin(dim=1)
    loss = (self._alpha() * log_prob + values).mean()
    self._minimise(loss, self.actor.optimizer)
    self._record("actor_loss", loss)
    return log_prob.detach()


sac.PixelSAC._actor_step = _actor_step
