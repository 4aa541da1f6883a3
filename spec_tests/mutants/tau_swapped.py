"""Polyak averaging keeps tau of the target instead of 1 - tau."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-016": "by 0.995 of the way", "GRD-017": "by 0.995 of the way"}
MAY_ALSO_FAIL = ()


def _target_step(self):
    torch._foreach_lerp_(list(self.critic_target.parameters()), list(self.critic.parameters()), 1 - self.tau)


sac.PixelSAC._target_step = torch.no_grad()(_target_step)
