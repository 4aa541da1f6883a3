"""The grid is flattened with width and height swapped, which nobody notices on a square map."""

import torch
from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-009": "of a 8x4 map"}
MAY_ALSO_FAIL = ()


def keypoints(self, feature_map):
    height, width = feature_map.shape[-2:]
    attention = (feature_map.flatten(2) / self.temperature).softmax(dim=2)
    grids = encoders._grid(width, feature_map), encoders._grid(height, feature_map)
    y, x = torch.meshgrid(*grids, indexing="ij")
    return torch.stack((attention @ x.flatten(), attention @ y.flatten()), dim=2).clamp(-1, 1)


encoders.SpatialSoftmax.keypoints = keypoints
