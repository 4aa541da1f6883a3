"""The grid is weighed by the activations themselves: the exponential was forgotten."""

import torch
from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-014": "weigh positions by a softmax of the map"}
MAY_ALSO_FAIL = ()


def keypoints(self, feature_map):
    height, width = feature_map.shape[-2:]
    weights = (feature_map / self.temperature).relu() + 1e-6
    attention = weights / weights.sum(dim=(2, 3), keepdim=True)
    x = attention.sum(dim=2) @ encoders._grid(width, feature_map)
    y = attention.sum(dim=3) @ encoders._grid(height, feature_map)
    return torch.stack((x, y), dim=2).clamp(-1, 1)


encoders.SpatialSoftmax.keypoints = keypoints
