"""The grid of the keypoints goes from 0 to 1."""

import torch
from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"ENC-008": "on a grid from -1 to 1", "ENC-012": "use a grid from -1 to 1"}
MAY_ALSO_FAIL = ()

encoders._grid = lambda size, like: torch.linspace(0, 1, size, dtype=like.dtype, device=like.device)
