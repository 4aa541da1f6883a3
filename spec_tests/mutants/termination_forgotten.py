"""Every end of an episode is taken for the time limit's, as it is in the Fetch tasks."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-012": "keep the terminated flag"}
MAY_ALSO_FAIL = ()


def _add(self, obs, next_obs, action, reward, done, infos):
    right(self, obs, next_obs, action, reward, done, [{"TimeLimit.truncated": True} for _ in infos])


right = replay.HerFrameBuffer.add
replay.HerFrameBuffer.add = _add
