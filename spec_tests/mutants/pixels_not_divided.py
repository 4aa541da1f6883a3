"""The encoder receives pixels from 0 to 255, as with ``normalize_images=False``."""

from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-003": "are 255 apart, not 1: divide pixels by 255 exactly once"}
MAY_ALSO_FAIL = ()

right = encoders.ManipulationCNN.forward
encoders.ManipulationCNN.forward = lambda self, pixels: right(self, pixels * 255)
