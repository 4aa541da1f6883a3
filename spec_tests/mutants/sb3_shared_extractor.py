"""SB3's own policy with ``share_features_extractor``: the actor's loss trains the encoder."""

import dataclasses

from visual_her import conformance
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-001": "critic's optimizer", "GRD-008": "detach the features", "GRD-012": "the actor's optimizer"}
MAY_ALSO_FAIL = ("TRN-007",)

conformance.CHAPTER = dataclasses.replace(conformance.CHAPTER, critic_encoder=False, share_encoder=True)
