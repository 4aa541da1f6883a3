"""The reward is computed with the desired goal first."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-010": "swapped arguments"}
MAY_ALSO_FAIL = ()


def _init(self, *arguments, compute_reward, **options):
    def swapped(achieved_goal, desired_goal, info):
        return compute_reward(desired_goal, achieved_goal, info)

    right(self, *arguments, compute_reward=swapped, **options)


right = replay.HerFrameBuffer.__init__
replay.HerFrameBuffer.__init__ = _init
