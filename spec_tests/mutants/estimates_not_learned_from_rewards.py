"""What sees is a colour detector that somebody wrote by hand, and no reward had a part in it."""

import numpy as np
from visual_her.classifier import SuccessClassifier
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"BEL-011": "something else than frames, goals and rewards reaches the encoder"}
MAY_ALSO_FAIL = ("BEL",)


def _green(self, frames):
    pictures = frames.numpy().astype(float)
    weights = np.clip(pictures[:, 1] - pictures[:, [0, 2]].max(axis=1), 0, None) + 1e-9
    grid = np.linspace(-1, 1, pictures.shape[-1])
    total = weights.sum(axis=(1, 2))
    found = np.stack([(weights.sum(axis=1) @ grid) / total, (weights.sum(axis=2) @ grid) / total], axis=1)
    rest = np.zeros((len(found), len(self.centre) - 2))
    return np.concatenate([found, rest, np.full((len(found), 1), 0.1)], axis=1)


SuccessClassifier.see = _green
