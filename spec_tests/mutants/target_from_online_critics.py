"""The TD target takes the next value from the online critics."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-005": "use the target critics"}
MAY_ALSO_FAIL = ()


def _td_target(self, batch):
    waiting, self.critic_target = self.critic_target, self.critic
    target = right(self, batch)
    self.critic_target = waiting
    return target


right = sac.PixelSAC._td_target
sac.PixelSAC._td_target = _td_target
