"""The target is a copy of the online critic after loading."""

from visual_her import checkpoint
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"SAV-003": "save the target beside the online networks"}
MAY_ALSO_FAIL = ()


def restore(agent, stored):
    right(agent, stored)
    agent.critic_target.load_state_dict(agent.critic.state_dict())


right = checkpoint.restore
checkpoint.restore = restore
