"""gradient_steps=-1: as many updates as env steps, whatever was asked for."""

from visual_her import training
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-016": "whatever the number of environments"}
MAY_ALSO_FAIL = ()


def _build(config, env, *rest, **options):
    agent = right(config, env, *rest, **options)
    agent.gradient_steps = -1
    return agent


right = training.build_agent
training.build_agent = _build
