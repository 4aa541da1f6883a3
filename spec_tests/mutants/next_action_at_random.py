"""The TD target takes a random next action, beside the policy's log-probability."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-027": "below that of the policy's actions in the next observation"}
MAY_ALSO_FAIL = ()


def _td_target(self, batch):
    right_action = sac.sample_action

    def sample_action(actor, features):
        actions, log_prob = right_action(actor, features)
        return torch.empty_like(actions).uniform_(-1, 1), log_prob

    sac.sample_action = sample_action
    target = right(self, batch)
    sac.sample_action = right_action
    return target


right = sac.PixelSAC._td_target
sac.PixelSAC._td_target = _td_target
