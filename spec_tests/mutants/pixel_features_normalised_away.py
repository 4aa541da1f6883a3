"""LayerNorm takes each pixel feature for a layer of its own, and a feature less its own mean is 0."""

from torch.nn import functional
from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-004": "feed the pixels to the encoder"}
MAY_ALSO_FAIL = ()


def forward(self, feature_map):
    return functional.layer_norm(right(self, feature_map)[..., None], (1,)).flatten(1)


right = encoders.SpatialSoftmax.forward
encoders.SpatialSoftmax.forward = forward
