"""The steps are right one by one, but the loop hands detached features to both: the encoder never trains."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"LRN-001": "look at the loop that joins their steps", "LRN-003": "or it never is"}
MAY_ALSO_FAIL = ()


def _encode(agent_policy, observations):
    critic_features, actor_features = encode(agent_policy, observations)
    return critic_features.detach(), actor_features


def train(self, *arguments, **options):
    sac.encode = _encode
    right(self, *arguments, **options)
    sac.encode = encode


encode, right = sac.encode, sac.PixelSAC.update
sac.PixelSAC.update = train
