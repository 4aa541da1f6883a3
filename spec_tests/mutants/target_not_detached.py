"""The TD target comes from the online critics with its gradient: the critics are trained to move it, too."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION
from visual_her.conformance import ReferenceAgent

CAUGHT_BY = {"TRN-006": "compute the target detached"}
MAY_ALSO_FAIL = ()


def _td_target(self, batch):
    waiting, self.critic_target = self.critic_target, self.critic
    target = attached(self, batch)
    self.critic_target = waiting
    return target


attached = sac.PixelSAC._td_target.__wrapped__
sac.PixelSAC._td_target = _td_target
ReferenceAgent.td_target = torch.no_grad()(ReferenceAgent.td_target)  # NumPy takes no tensor with a gradient
