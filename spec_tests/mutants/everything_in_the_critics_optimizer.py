"""The critic's optimizer is made of the whole policy's parameters, actor and target among them."""

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-011": "2 times", "GRD-013": "leave the target out"}
MAY_ALSO_FAIL = ()


def _build(self, lr_schedule):
    right(self, lr_schedule)
    self.critic.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1))


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
