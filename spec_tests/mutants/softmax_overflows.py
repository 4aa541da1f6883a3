"""The softmax takes the exponential of the activations as they are: large ones overflow."""

import torch
from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-002": "subtract the maximum before exp"}
MAY_ALSO_FAIL = ()


def keypoints(self, feature_map):
    height, width = feature_map.shape[-2:]
    weights = (feature_map / self.temperature).exp()
    attention = weights / weights.sum(dim=(2, 3), keepdim=True)
    x = attention.sum(dim=2) @ encoders._grid(width, feature_map)
    y = attention.sum(dim=3) @ encoders._grid(height, feature_map)
    return torch.stack((x, y), dim=2).clamp(-1, 1)


encoders.SpatialSoftmax.keypoints = keypoints
