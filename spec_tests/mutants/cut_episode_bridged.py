"""An observation is taken for the last next one, although the env was reset without a done."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-019": "start a new episode"}
MAY_ALSO_FAIL = ()


def _continues(self, env, obs):
    return True


replay.HerFrameBuffer._continues = _continues
