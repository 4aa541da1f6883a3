"""Proprioception is not concatenated to the features."""

from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-016": "features (2, 70)", "ENC-017": "no block of features is proprioception"}
MAY_ALSO_FAIL = ()

right = encoders._vector_keys
encoders._vector_keys = lambda space, goal_mode, proprioception: right(space, goal_mode, False)
