"""The wrapper stacks three frames by default, as DrQ-v2 does, and not the chapter's four."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-016": "pixels is (9, 84, 84)"}
MAY_ALSO_FAIL = ()

pixel_env.PixelObservationWrapper.__init__.__kwdefaults__["frame_stack"] = 3
