"""Both critics start from the same weights."""

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-026": "draw initial weights for each"}
MAY_ALSO_FAIL = ()


def _build(self, lr_schedule):
    right(self, lr_schedule)
    for critic in (self.critic, self.critic_target):
        critic.q_networks[1].load_state_dict(critic.q_networks[0].state_dict())


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
