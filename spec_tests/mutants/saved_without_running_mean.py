"""Features are centred on a running mean that is no buffer, so no checkpoint holds it."""

import torch
from visual_her import encoders
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"SAV-001": "save everything that act() reads"}
MAY_ALSO_FAIL = ()


def forward(self, observations):
    features = right(self, observations)
    mean = vars(self).get("running_mean", torch.zeros(()))
    if torch.is_grad_enabled():
        self.running_mean = mean.lerp(features.detach().mean(dim=0), 0.1)
    return features - mean


right = encoders.ManipulationExtractor.forward
encoders.ManipulationExtractor.forward = forward
