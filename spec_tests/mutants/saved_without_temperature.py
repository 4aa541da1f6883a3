"""SpatialSoftmax's temperature is no part of what is loaded: it starts anew at 1."""

from visual_her import checkpoint
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"SAV-002": "temperature comes back"}
MAY_ALSO_FAIL = ()


def restore(agent, stored):
    new = {name: value for name, value in agent.policy.state_dict().items() if name.endswith("temperature")}
    stored.weights["policy"].update(new)
    right(agent, stored)


right = checkpoint.restore
checkpoint.restore = restore
