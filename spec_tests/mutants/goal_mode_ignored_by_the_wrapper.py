"""The wrapper shows both goals, whatever goal_mode says."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-001": "take the goal keys from goal_mode"}
MAY_ALSO_FAIL = ()

pixel_env.GOAL_KEYS = dict.fromkeys(pixel_env.GOAL_KEYS, pixel_env.GOAL_KEYS["both"])
