"""A checkpoint holds the networks, but not the statistics that vectors are standardised with."""

from visual_her import checkpoint
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION
from visual_her.encoders import Standardize

CAUGHT_BY = {"SAV-008": "save the statistics that inputs are normalised with"}
MAY_ALSO_FAIL = ()


def _restore(agent, stored):
    fresh = [(m, {k: v.clone() for k, v in m.state_dict().items()}) for m in _standardizers(agent)]
    right(agent, stored)
    for module, state in fresh:
        module.load_state_dict(state)


def _standardizers(agent):
    return [module for module in agent.policy.modules() if isinstance(module, Standardize)]


right = checkpoint.restore
checkpoint.restore = _restore
