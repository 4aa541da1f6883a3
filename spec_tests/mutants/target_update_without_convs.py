"""The target's encoder follows in its temperature, but its convolutions stay random."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-017": "encoder parameter cnn.convs"}
MAY_ALSO_FAIL = ("TRN-002",)


def _target_step(self):
    online = dict(self.critic.named_parameters())
    for name, target in self.critic_target.named_parameters():
        if ".convs." not in name:
            target.lerp_(online[name], self.tau)


sac.PixelSAC._target_step = torch.no_grad()(_target_step)
