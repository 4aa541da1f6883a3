"""Training builds its networks with ``goal_mode='both'``, whatever was asked for: they read the position."""

import dataclasses

from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION
from visual_her.conformance import Reference

CAUGHT_BY = {"LRN-002": "keep achieved_goal"}
MAY_ALSO_FAIL = ()


def learn(self, make_env, options):
    return right(self, make_env, dataclasses.replace(options, goal_mode="both"))


right = Reference.learn
Reference.learn = learn
