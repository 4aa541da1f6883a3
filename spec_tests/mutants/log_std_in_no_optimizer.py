"""The actor's optimizer is made of its body and its mean: the layer of the standard deviation is forgotten."""

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-009": "2 (log_std.weight, log_std.bias)"}
MAY_ALSO_FAIL = ()


def _build(self, lr_schedule):
    right(self, lr_schedule)
    head = [*self.actor.latent_pi.parameters(), *self.actor.mu.parameters()]
    self.actor.optimizer = self.optimizer_class(head, lr=lr_schedule(1))


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
