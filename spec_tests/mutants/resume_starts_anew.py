"""A resumed run takes the step from the checkpoint, and forgets the networks."""

from visual_her import training
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-019": "load the checkpoint's networks"}
MAY_ALSO_FAIL = ()

training._resume = lambda agent, config, stored: setattr(agent, "num_timesteps", stored.step)
