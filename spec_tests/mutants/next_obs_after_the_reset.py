"""The next reset's observation is written over the final one of the episode before."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-005": "beside the next reset's"}
MAY_ALSO_FAIL = ("HER",)


def _add(self, obs, next_obs, *outcome):
    for env in range(self.n_envs):
        if not self._open[env] and self._complete[env] > 0:
            self._write(env, int(self._complete[env]) - 1, obs)
    right(self, obs, next_obs, *outcome)


right = replay.HerFrameBuffer.add
replay.HerFrameBuffer.add = _add
