"""The actor is made with an encoder of its own, which no optimizer holds: it sees through random weights."""

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-006": "let the actor read the critic's encoder"}
MAY_ALSO_FAIL = ()


def _build(self, lr_schedule):
    right(self, lr_schedule)
    self.actor.features_extractor = self.make_features_extractor()


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
