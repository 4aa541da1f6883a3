"""The features are detached in the right loss, but the encoder is in the actor's optimizer instead of the critic's."""

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-001": "put the encoder into the critic's optimizer", "GRD-012": "the actor's optimizer"}
MAY_ALSO_FAIL = ()


def _build(self, lr_schedule):
    right(self, lr_schedule)
    self.actor.optimizer = self.optimizer_class(self.actor.parameters(), lr=lr_schedule(1))
    heads = [p for q_network in self.critic.q_networks for p in q_network.parameters()]
    self.critic.optimizer = self.optimizer_class(heads, lr=lr_schedule(1))


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
