"""The target's encoder follows in its layers, but not in SpatialSoftmax's temperature, which is none."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-017": "temperature by 0 of the way"}
MAY_ALSO_FAIL = ()


def _target_step(self):
    online = dict(self.critic.named_parameters())
    for name, target in self.critic_target.named_parameters():
        if "temperature" not in name:
            target.lerp_(online[name], self.tau)


sac.PixelSAC._target_step = torch.no_grad()(_target_step)
