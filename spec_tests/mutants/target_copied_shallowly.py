"""The target is made with ``copy.copy``, which gives a second critic over the same tensors."""

import copy

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-004": "give the target copies of its own"}
MAY_ALSO_FAIL = ()


def _build(self, lr_schedule):
    right(self, lr_schedule)
    self.critic_target = copy.copy(self.critic)


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
