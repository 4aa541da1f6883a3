"""The deterministic action is the Gaussian's mean itself, without the tanh."""

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-011": "squash or clip actions"}
MAY_ALSO_FAIL = ()


def forward(self, obs, deterministic=False):
    return self.get_action_dist_params(obs)[0] if deterministic else right(self, obs)


right = policy.CriticEncoderActor.forward
policy.CriticEncoderActor.forward = forward
