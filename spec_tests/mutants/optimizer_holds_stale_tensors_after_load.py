"""Loading gives the networks new tensors, and the optimizers go on stepping the old ones."""

from visual_her import checkpoint
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"GRD-018": "make the optimizers after loading", "GRD-019": "the actor's optimizer holds other tensors"}
MAY_ALSO_FAIL = ("SAV-004", "SAV-005")


def restore(agent, stored):
    right(agent, stored)
    for optimizer in (agent.actor.optimizer, agent.critic.optimizer):
        for group in optimizer.param_groups:
            group["params"] = [p.detach().clone().requires_grad_() for p in group["params"]]


right = checkpoint.restore
checkpoint.restore = restore
