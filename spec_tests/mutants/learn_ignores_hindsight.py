"""Training relabels goals with its default k = 4 when hindsight is switched off."""

import dataclasses

from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION
from visual_her.conformance import Reference

CAUGHT_BY = {"LRN-004": "goals are relabelled under hindsight=False"}
MAY_ALSO_FAIL = ()


def learn(self, make_env, options):
    return right(self, make_env, dataclasses.replace(options, hindsight=True))


right = Reference.learn
Reference.learn = learn
