"""The success classifier's optimizer holds the convolutions, and not what turns keypoints into a position."""

import torch
from visual_her.classifier import SuccessClassifier
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"BEL-001": "into the optimizer of the classifier's loss"}
MAY_ALSO_FAIL = ()

_init = SuccessClassifier.__init__


def _without_position(self, *args, **kwargs):
    _init(self, *args, **kwargs)
    self.optimizer = torch.optim.Adam(self.network.keypoints.parameters(), self.learning_rate)


SuccessClassifier.__init__ = _without_position
