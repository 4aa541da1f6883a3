"""The frames' memory is zeros that the system hands out when they are first written to."""

import numpy as np
import torch
from visual_her import frames
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-022": "touch every page"}
MAY_ALSO_FAIL = ()


def _claim(shape, device):
    return torch.from_numpy(np.zeros(shape, np.uint8)).to(device)


frames.claim = _claim
