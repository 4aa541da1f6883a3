"""The temperature multiplies the map instead of dividing it."""

from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-013": "divide the map by the temperature"}
MAY_ALSO_FAIL = ()

right = encoders.SpatialSoftmax.keypoints
encoders.SpatialSoftmax.keypoints = lambda self, feature_map: right(self, feature_map * self.temperature**2)
