"""The critic's step steps the classifier's optimizer as well, which still holds the gradients of its last lesson."""

from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION
from visual_her.rewards_alone import BeliefSAC

CAUGHT_BY = {"BEL-002": "keep the encoder out of their optimizers"}
MAY_ALSO_FAIL = ()


def _critic_step(self, batch, features):
    super(BeliefSAC, self)._critic_step(batch, features)
    self.classifier.optimizer.step()


BeliefSAC._critic_step = _critic_step
