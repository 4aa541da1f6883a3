"""The smoother of the replay runs over the ring as it lies, across the border between two episodes."""

import numpy as np
from visual_her.belief import smoothed
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION
from visual_her.rewards_alone import BeliefBuffer

CAUGHT_BY = {"BEL-008": "smooth each episode by itself"}
MAY_ALSO_FAIL = ()


def _refresh(self, episode, estimates):
    env, start, final = episode
    self._vectors["estimate"][env, np.arange(start, final + 1) % self.slots] = estimates
    stored = np.arange(self._tail[env], max(self._complete[env], final + 1)) % self.slots
    self._vectors["belief"][env, stored] = smoothed(self._vectors["estimate"][env, stored])


BeliefBuffer.refresh = _refresh
