"""A loaded buffer takes for granted that its envs go on with the episodes that were under way."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-025": "drop or close open episodes"}
MAY_ALSO_FAIL = ()


def _load(self, arrays):
    right(self, arrays)
    self._open[:] = arrays["_open"]
    self._continues = lambda env, obs: True


right = replay.HerFrameBuffer.load_state_arrays
replay.HerFrameBuffer.load_state_arrays = _load
