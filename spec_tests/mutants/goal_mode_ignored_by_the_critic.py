"""An asymmetric critic: the goal vectors are withheld from the actor alone."""

import torch
from visual_her import encoders, policy, sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-007": "but the critic sees achieved_goal"}
MAY_ALSO_FAIL = ()


def _init(self, observation_space, *, goal_mode="both", **options):
    init(self, observation_space, goal_mode="both", **options)
    self.goal_mode = goal_mode


def extract_features(self, observations, extractor):
    withheld = {"both": (), "desired": ("achieved_goal",), "none": ("achieved_goal", "desired_goal")}
    seen = {k: torch.zeros_like(v) if k in withheld[extractor.goal_mode] else v for k, v in observations.items()}
    return extract(self, seen, extractor)


def _encode(agent_policy, observations):
    actor, critic = agent_policy.actor, agent_policy.critic
    extractor = critic.features_extractor
    return critic.extract_features(observations, extractor), actor.extract_features(observations, extractor)


init, extract = encoders.ManipulationExtractor.__init__, policy.CriticEncoderActor.extract_features
encoders.ManipulationExtractor.__init__ = _init
policy.CriticEncoderActor.extract_features = extract_features
sac.encode = _encode
