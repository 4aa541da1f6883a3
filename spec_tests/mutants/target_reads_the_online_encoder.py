"""The target critics read the online encoder's features, although the target owns a copy of it."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-028": "features with the target encoder"}
MAY_ALSO_FAIL = ()


def _td_target(self, batch):
    copy, self.critic_target.features_extractor = self.critic_target.features_extractor, self.critic.features_extractor
    target = right(self, batch)
    self.critic_target.features_extractor = copy
    return target


right = sac.PixelSAC._td_target
sac.PixelSAC._td_target = _td_target
