"""The first convolution is followed by batch normalisation."""

from torch import nn
from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-005": "leave batch statistics out"}
MAY_ALSO_FAIL = ()


def _init(self, in_channels, num_filters=32, precision="float32"):
    right(self, in_channels, num_filters, precision)
    self.convs.insert(1, nn.BatchNorm2d(num_filters))


right = encoders.ManipulationCNN.__init__
encoders.ManipulationCNN.__init__ = _init
