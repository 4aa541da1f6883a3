"""The actor's encoder is loaded as a copy: from then on it is not the one that the critic trains."""

import copy

from visual_her import checkpoint
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-020": "share the loaded encoder"}
MAY_ALSO_FAIL = ()


def restore(agent, stored):
    right(agent, stored)
    agent.actor.features_extractor = copy.deepcopy(agent.critic.features_extractor)


right = checkpoint.restore
checkpoint.restore = restore
