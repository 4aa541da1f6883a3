"""A resumed run takes its total number of steps once more."""

import dataclasses

from visual_her import training
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-018": "is the target total"}
MAY_ALSO_FAIL = ()


def _init(self, config, paths, agent, *rest):
    config = dataclasses.replace(config, total_steps=config.total_steps + agent.num_timesteps)
    right(self, config, paths, agent, *rest)


right = training._Run.__init__
training._Run.__init__ = _init
