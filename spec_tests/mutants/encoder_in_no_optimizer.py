"""The critic's optimizer is made of its Q-networks: nothing steps the encoder."""

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-001": "put the encoder into the critic's optimizer", "GRD-012": "nowhere"}
MAY_ALSO_FAIL = ()


def _build(self, lr_schedule):
    right(self, lr_schedule)
    heads = [p for q_network in self.critic.q_networks for p in q_network.parameters()]
    self.critic.optimizer = self.optimizer_class(heads, lr=lr_schedule(1))


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
