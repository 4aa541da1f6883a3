"""Evaluation acts on the true position in place of the belief."""

import numpy as np
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION
from visual_her.rewards_alone import BeliefSAC

CAUGHT_BY = {"BEL-012": "act from pixels"}
MAY_ALSO_FAIL = ()

_predict = BeliefSAC.predict


def _cheating(self, observation, *args, **kwargs):
    if "belief" not in observation:
        estimate = np.append(observation["achieved_goal"], 0.1)
        observation = {**observation, "belief": observation["achieved_goal"], "estimate": estimate}
    return _predict(self, observation, *args, **kwargs)


BeliefSAC.predict = _cheating
