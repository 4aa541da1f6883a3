"""The TD target takes the larger of the critics' next values."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-004": "take the minimum"}
MAY_ALSO_FAIL = ()


def _td_target(self, batch):
    observations = batch.next_observations
    features = self.actor.extract_features(observations, self.actor.features_extractor)
    actions, log_prob = sac.sample_action(self.actor, features)
    values = torch.cat(self.critic_target(observations, actions), dim=1).amax(dim=1)
    soft_value = values - self._alpha() * log_prob
    return batch.rewards + (1 - batch.dones) * self.gamma * soft_value[:, None]


sac.PixelSAC._td_target = torch.no_grad()(_td_target)
