"""ManipulationCNN begins with NatureCNN's 8x8 convolution of stride 4."""

from torch import nn
from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-001": "check kernels, padding and strides"}
MAY_ALSO_FAIL = ()


def _init(self, in_channels, num_filters=32, precision="float32"):
    right(self, in_channels, num_filters, precision)
    self.convs[0] = nn.Conv2d(in_channels, num_filters, 8, stride=4)


right = encoders.ManipulationCNN.__init__
encoders.ManipulationCNN.__init__ = _init
