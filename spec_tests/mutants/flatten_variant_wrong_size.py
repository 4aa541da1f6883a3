"""The flatten variant ends in 512 features, as NatureCNN does."""

from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-018": "features (2, 528)"}
MAY_ALSO_FAIL = ()

encoders.ManipulationExtractor.__init__.__kwdefaults__["flat_dim"] = 512
