"""Observations and next observations have rings of frames of their own."""

from visual_her import frames
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-021": "store every frame once"}
MAY_ALSO_FAIL = ()


def _claim(shape, device):
    return right((2 * shape[0], *shape[1:]), device)


right = frames.claim
frames.claim = _claim
