"""A step that is terminated and truncated at once is stored as truncated only."""

from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION
from visual_her.conformance import ReferenceReplay

CAUGHT_BY = {"RPL-028": "only terminated decides", "RPL-027": "terminated of the transition at"}
MAY_ALSO_FAIL = ()


def add(self, observations, next_observations, actions, rewards, terminated, truncated):
    infos = [{"TimeLimit.truncated": bool(cut)} for cut in truncated]
    self.buffer.add(observations, next_observations, actions, rewards, terminated | truncated, infos)


ReferenceReplay.add = add
