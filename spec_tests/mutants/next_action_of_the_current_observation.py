"""The TD target's next action is the policy's in the current observation."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-027": "give next_observations to the policy"}
MAY_ALSO_FAIL = ()


@torch.no_grad()
def _td_target(self, batch):
    actor_features = self.actor.extract_features(batch.observations, self.actor.features_extractor)
    actions, log_prob = sac.sample_action(self.actor, actor_features)
    features = self.critic_target.extract_features(batch.next_observations, self.critic_target.features_extractor)
    inputs = torch.cat([features, actions], dim=1)
    values = torch.cat([q_network(inputs) for q_network in self.critic_target.q_networks], dim=1)
    soft_value = values.amin(dim=1, keepdim=True) - self._alpha() * log_prob[:, None]
    return batch.rewards + (1 - batch.dones) * self.gamma * soft_value


sac.PixelSAC._td_target = _td_target
