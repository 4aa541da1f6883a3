"""The cadence counts steps of the vectorised environment."""

import dataclasses

from visual_her import training
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-017": "there is no checkpoint of step 20"}
MAY_ALSO_FAIL = ()


def _init(self, config, *rest):
    right(self, dataclasses.replace(config, checkpoint_freq=config.checkpoint_freq * config.n_envs), *rest)


right = training._Run.__init__
training._Run.__init__ = _init
