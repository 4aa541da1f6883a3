"""The target critic is made like the online one, but its weights are never copied."""

from visual_her import policy
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {
    "GRD-014": "target critic parameters of a new agent are not the online ones",
    "GRD-015": "target encoder parameters of a new agent are not the online ones",
}
MAY_ALSO_FAIL = ()


def _build(self, lr_schedule):
    right(self, lr_schedule)
    self.critic_target = self.make_critic()


right = policy.DrQv2SACPolicy._build
policy.DrQv2SACPolicy._build = _build
