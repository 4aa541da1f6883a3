"""The encoder shifts whatever passes through it, when acting as well."""

from visual_her import encoders
from visual_her.augmentation import RandomShift
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"AUG-013": "augment in updates only"}
MAY_ALSO_FAIL = ("TRN",)


def _forward(self, observations):
    return right(self, {**observations, "pixels": RandomShift(4)(observations["pixels"])})


right = encoders.ManipulationExtractor.forward
encoders.ManipulationExtractor.forward = _forward
