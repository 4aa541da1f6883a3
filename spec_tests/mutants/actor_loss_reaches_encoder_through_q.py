"""Q(s, pi) of the actor's loss is computed from attached features, and the actor's optimizer holds the encoder."""

from visual_her import policy, sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-008": "the actor's loss changed encoder"}
MAY_ALSO_FAIL = ()
last = {}


def _build(self, lr_schedule):
    build(self, lr_schedule)
    self.actor.optimizer = self.optimizer_class(self.actor.parameters(), lr=lr_schedule(1))


def _encode(agent_policy, observations):
    last["observations"] = observations
    return encode(agent_policy, observations)


def _actor_step(self, _, actor_features):
    attached = self.critic.extract_features(last["observations"], self.critic.features_extractor)
    return step(self, attached, actor_features)


build, encode, step = policy.DrQv2SACPolicy._build, sac.encode, sac.PixelSAC._actor_step
policy.DrQv2SACPolicy._build, sac.encode, sac.PixelSAC._actor_step = _build, _encode, _actor_step
