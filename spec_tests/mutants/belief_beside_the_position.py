"""The networks read achieved_goal beside the belief."""

from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"BEL-009": "let networks read proprioception, belief and desired goal alone"}
MAY_ALSO_FAIL = ("BEL",)

_vector_keys = encoders._vector_keys


def _all(space, goal_mode, proprioception):
    keys = _vector_keys(space, goal_mode, proprioception)
    return (*keys, "achieved_goal") if "belief" in keys else keys


encoders._vector_keys = _all
