"""Nothing stops a sampled stack at its episode's first frame."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-003": "stop the stack at the episode's first frame"}
MAY_ALSO_FAIL = ()


def _close_episode(self, env):
    right(self, env)
    self._episode_start[env] = 0


right = replay.HerFrameBuffer._close_episode
replay.HerFrameBuffer._close_episode = _close_episode
