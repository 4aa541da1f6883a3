"""Gradients are cleared after each step instead of before, and the actor's loss leaves one in the critics."""

from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-010": "clear the critic's"}
MAY_ALSO_FAIL = ("SAV-004",)


def _minimise(loss, optimizer):
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


sac.PixelSAC._minimise = staticmethod(_minimise)
sac.PixelSAC._require_critic_gradient = lambda self, required: None
