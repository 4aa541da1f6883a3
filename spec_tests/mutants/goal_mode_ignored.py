"""The extractor passes on both goal vectors, whatever goal_mode says."""

from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-006": "shows the features achieved_goal", "ENC-007": "but the critic sees achieved_goal"}
MAY_ALSO_FAIL = ()

right = encoders._vector_keys
encoders._vector_keys = lambda space, goal_mode, proprioception: right(space, "both", proprioception)
