"""The first episode is enough to learn from."""

from visual_her import training
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-015": "update nothing before learning_starts"}
MAY_ALSO_FAIL = ()


def _build(config, env, *rest, **options):
    agent = right(config, env, *rest, **options)
    agent.learning_starts = agent.updates_from = 20
    return agent


right = training.build_agent
training.build_agent = _build
