"""The target counts steps of the vectorised environment."""

import dataclasses

from visual_her import training
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-014": "count a step of each environment"}
MAY_ALSO_FAIL = ()


def _init(self, config, *rest):
    right(self, dataclasses.replace(config, total_steps=config.total_steps * config.n_envs), *rest)


right = training._Run.__init__
training._Run.__init__ = _init
