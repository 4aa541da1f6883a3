"""The classifier learns from the desired goals alone, which an agent that cannot push yet never reaches."""

from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION
from visual_her.rewards_alone import BeliefBuffer

CAUGHT_BY = {"BEL-004": "relabel as HER's future does"}
MAY_ALSO_FAIL = ("BEL",)

_sample_lesson = BeliefBuffer.sample_lesson


def _desired(self, batch_size, near_goals, spread):
    frames, goals, reached = _sample_lesson(self, batch_size, near_goals, spread)
    own = slice(self.FUTURE_GOALS, self.FUTURE_GOALS + 1)
    return frames, goals[:, own], reached[:, own]


BeliefBuffer.sample_lesson = _desired
