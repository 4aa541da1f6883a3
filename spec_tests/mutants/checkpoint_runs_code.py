"""Checkpoints are read with ``weights_only=False``: whoever wrote one runs code on whoever loads it."""

import torch
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"SAV-007": "read weights with weights_only"}
MAY_ALSO_FAIL = ()

right = torch.load
torch.load = lambda file, **options: right(file, **{**options, "weights_only": False})
