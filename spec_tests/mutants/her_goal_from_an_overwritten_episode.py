"""Goals are read from an array of their own that nobody writes to any more once the ring has wrapped around."""

import numpy as np
from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"HER-004": "reduce indices modulo the ring's length"}
MAY_ALSO_FAIL = ()


def _write(self, env, slot, obs):
    right_write(self, env, slot, obs)
    goals = vars(self).setdefault("goals", np.zeros_like(self._vectors["achieved_goal"]))
    if slot < self.slots:
        goals[env, slot] = obs["achieved_goal"][env]


def _relabel(self, *batch):
    vectors = self._vectors
    self._vectors = {"achieved_goal": self.goals}
    right_relabel(self, *batch)
    self._vectors = vectors


right_write, right_relabel = replay.HerFrameBuffer._write, replay.HerFrameBuffer._relabel
replay.HerFrameBuffer._write, replay.HerFrameBuffer._relabel = _write, _relabel
