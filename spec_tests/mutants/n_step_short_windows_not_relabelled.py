"""Only transitions with a whole window ahead of them are relabelled."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-017": "those near an episode's end as well"}
MAY_ALSO_FAIL = ()


def _relabel(self, envs, slots, obs, next_obs, rewards):
    whole = np.flatnonzero(slots + self.n_steps <= self._episode_final[envs, slots % self.slots])
    if self.n_steps == 1 or not len(whole):
        whole = np.arange(len(slots) if self.n_steps == 1 else 0)
    parts = [{key: value[whole] for key, value in side.items()} for side in (obs, next_obs)]
    new = rewards[whole]
    right(self, envs[whole], slots[whole], *parts, new)
    for side, part in zip((obs, next_obs), parts, strict=True):
        side["desired_goal"][whole] = part["desired_goal"]
    rewards[whole] = new


right = replay.HerFrameBuffer._relabel
replay.HerFrameBuffer._relabel = _relabel
