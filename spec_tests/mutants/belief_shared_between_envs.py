"""One memory for all environments: each belief averages over what every environment shows."""

import numpy as np
from visual_her import belief, rewards_alone
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"BEL-007": "keep a memory for each"}
MAY_ALSO_FAIL = ()

_remember = belief.remember


def _shared(history, estimates, episode_start):
    return _remember(history, np.broadcast_to(estimates.mean(axis=0), estimates.shape), episode_start)


belief.remember = rewards_alone.remember = _shared
