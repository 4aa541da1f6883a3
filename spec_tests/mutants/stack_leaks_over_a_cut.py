"""Where an episode starts is noted at a done only: after a cut, stacks reach back into the episode before."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-027": "where the env returned"}
MAY_ALSO_FAIL = ()


def _add(self, obs, next_obs, action, reward, done, infos):
    vars(self).setdefault("starts", np.zeros(self.n_envs, np.int64))
    right_add(self, obs, next_obs, action, reward, done, infos)
    self.starts[done] = self._complete[done]


def _close_episode(self, env):
    first = self._complete[env]
    right_close(self, env)
    self._episode_start[env, np.arange(first, self._complete[env]) % self.slots] = self.starts[env]


right_add, right_close = replay.HerFrameBuffer.add, replay.HerFrameBuffer._close_episode
replay.HerFrameBuffer.add, replay.HerFrameBuffer._close_episode = _add, _close_episode
