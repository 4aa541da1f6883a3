"""A checkpoint holds the weights, but no state of the optimizers."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"SAV-004": "save the critic's optimizer state", "SAV-005": "save the actor's optimizer state"}
MAY_ALSO_FAIL = ()

sac.PixelSAC.stateful = lambda agent: {"policy": agent.policy}
