"""The expectation over the grid runs in bfloat16, as under ``torch.autocast``: keypoints come in steps of 1/256."""

import torch
from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-010": "in float32"}
MAY_ALSO_FAIL = ()


def keypoints(self, feature_map):
    height, width = feature_map.shape[-2:]
    attention = (feature_map.flatten(2) / self.temperature).softmax(dim=2).reshape(*feature_map.shape)
    x = attention.sum(dim=2).bfloat16() @ encoders._grid(width, feature_map).bfloat16()
    y = attention.sum(dim=3).bfloat16() @ encoders._grid(height, feature_map).bfloat16()
    return torch.stack((x, y), dim=2).float().clamp(-1, 1)


encoders.SpatialSoftmax.keypoints = keypoints
