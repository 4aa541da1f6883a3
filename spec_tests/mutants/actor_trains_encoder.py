"""The actor reads the features without ``detach``, and the encoder is in its optimizer as well."""

from visual_her import policy, sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-008": "detach"}
MAY_ALSO_FAIL = ("GRD", "SAV", "TRN")


def _build(self, lr_schedule):
    right(self, lr_schedule)
    self.actor.optimizer = self.optimizer_class(self.actor.parameters(), lr=lr_schedule(1))


def _encode(agent_policy, observations):
    features = agent_policy.critic.extract_features(observations, agent_policy.critic.features_extractor)
    return features, features


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
sac.encode = _encode
