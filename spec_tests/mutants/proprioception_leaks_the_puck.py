"""Proprioception is the first ten numbers of the state: six of them are the puck's."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-017": "take indices", "OBS-018": "leave the object's state out"}
MAY_ALSO_FAIL = ()

pixel_env.FETCH_OBJECT_PROPRIOCEPTION = tuple(range(10))
