"""The actor's optimizer is made of all of the actor's parameters, and the encoder that it shares is among them."""

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-012": "is held 2 times"}
MAY_ALSO_FAIL = ()


def _build(self, lr_schedule):
    right(self, lr_schedule)
    self.actor.optimizer = self.optimizer_class(self.actor.parameters(), lr=lr_schedule(1))


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
