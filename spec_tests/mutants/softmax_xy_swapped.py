"""Keypoints are (y, x)."""

from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-008": "give x, the column, before y, the row"}
MAY_ALSO_FAIL = ()

right = encoders.SpatialSoftmax.keypoints
encoders.SpatialSoftmax.keypoints = lambda self, feature_map: right(self, feature_map).flip(2)
