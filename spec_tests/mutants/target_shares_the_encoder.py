"""The target critic has Q-networks of its own on the online encoder."""

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-005": "give the target an encoder of its own"}
MAY_ALSO_FAIL = ()


def _build(self, lr_schedule):
    right(self, lr_schedule)
    self.critic_target.features_extractor = self.critic.features_extractor


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
