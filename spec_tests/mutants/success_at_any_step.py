"""An episode counts as a success if it was at its goal at any time."""

import dataclasses

from visual_her import evaluation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-022": "read is_success at the last step"}
MAY_ALSO_FAIL = ()


def _run_episode(*arguments):
    episode = right(*arguments)
    return dataclasses.replace(episode, success=episode.time_to_success is not None)


right = evaluation.run_episode
evaluation.run_episode = _run_episode
