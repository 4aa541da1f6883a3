"""A keypoint is the position of the maximum, which has no gradient."""

import torch
from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-015": "weigh the grid by the softmax and sum", "GRD-001": "keep its features attached"}
MAY_ALSO_FAIL = ()


def keypoints(self, feature_map):
    height, width = feature_map.shape[-2:]
    position = feature_map.flatten(2).argmax(dim=2)
    x = encoders._grid(width, feature_map)[position % width]
    y = encoders._grid(height, feature_map)[position // width]
    return torch.stack((x, y), dim=2)


encoders.SpatialSoftmax.keypoints = keypoints
