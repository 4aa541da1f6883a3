"""The critics' squared TD error is maximised."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-007": "minimise the squared distance"}
MAY_ALSO_FAIL = ()


def _minimise(self, loss, optimizer):
    right(-loss if optimizer is self.critic.optimizer else loss, optimizer)


right = sac.PixelSAC._minimise
sac.PixelSAC._minimise = _minimise
