"""The entropy term is left out of the TD target, as in an actor-critic that only explores by its noise."""

import torch
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-003": "-alpha log pi(a'|s')"}
MAY_ALSO_FAIL = ()


def _td_target(self, batch):
    alpha, self.ent_coef_tensor = self.ent_coef_tensor, torch.zeros(())
    target = right(self, batch)
    self.ent_coef_tensor = alpha
    return target


right = sac.PixelSAC._td_target
sac.PixelSAC._td_target = _td_target
