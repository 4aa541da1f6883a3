"""A linear probe from the pixel features to the object's position: are the eyes missing, or the hands?

It only looks (Alain & Bengio 2016, arXiv:1610.01644): nothing learns from it, and it draws no random number of the
run's. An error near that of the mean position, some 10 cm on FetchPush, says that the features do not show the object.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from visual_her.encoders import ManipulationExtractor
from visual_her.replay import HerFrameBuffer
from visual_her.sac import PixelSAC

Array = npt.NDArray[np.float64]

RIDGE = 1e-2  # relative to standardised features, which can be collinear


@dataclass(frozen=True)
class Probed:
    """What the pixel features show.

    Attributes:
        error: median distance in metres of a linear estimate of ``achieved_goal``.
        spread: mean standard deviation of a feature over the pictures; at 0 the keypoints are stuck.
    """

    error: float
    spread: float


@torch.no_grad()
def probe(agent: PixelSAC, transitions: int = 2048) -> Probed | None:
    """How well the critic's pixel features show where the object is.

    The estimate is fitted on one half of the episodes drawn from the replay buffer, and measured on the other.

    Args:
        agent: whose critic has a ``ManipulationExtractor``.
        transitions: to draw, for both halves together.

    Returns:
        ``None`` where there is nothing to probe: no encoder, or too few episodes.
    """
    buffer, extractor = agent.replay_buffer, agent.critic.features_extractor
    if not isinstance(extractor, ManipulationExtractor) or extractor.cnn is None:
        return None
    if not isinstance(buffer, HerFrameBuffer) or buffer.size() == 0:
        return None
    pixels, positions, episodes = _draw(buffer, transitions, seed=agent.num_timesteps)
    fitted = np.isin(episodes, np.unique(episodes)[::2])
    if fitted.sum() < 2 or fitted.all():
        return None
    features = torch.cat([extractor.pixel_features(part.float() / 255) for part in torch.split(pixels, 128)])
    estimates = linear_estimates(features.double().cpu().numpy(), positions, fitted)
    error = np.median(np.linalg.norm(estimates - positions, axis=1)[~fitted])
    return Probed(float(error), float(features.std(dim=0).mean()))


def linear_estimates(features: Array, positions: Array, fitted: npt.NDArray[np.bool_]) -> Array:
    """Ridge regression of (N, 3) positions on (N, F) features, from the rows that are ``fitted``; for all rows."""
    mean, centre = features[fitted].mean(axis=0), positions[fitted].mean(axis=0)
    inputs = (features - mean) / (features[fitted].std(axis=0) + 1e-9)
    known = inputs[fitted]
    penalty = RIDGE * len(known) * np.eye(known.shape[1])
    weights = np.linalg.solve(known.T @ known + penalty, known.T @ (positions[fitted] - centre))
    estimates: Array = inputs @ weights + centre
    return estimates


def _draw(buffer: HerFrameBuffer, number: int, seed: int) -> tuple[torch.Tensor, Array, npt.NDArray[np.int64]]:
    """Unshifted pixels (N, C, H, W), positions (N, 3) and the number of each one's episode (N,)."""
    before = buffer.rng, buffer._shift
    buffer.rng, buffer._shift = np.random.default_rng(seed), None
    try:
        envs, slots = buffer._draw_transitions(number)
        observations = buffer._get_samples(envs, slots).observations
    finally:
        buffer.rng, buffer._shift = before
    starts = buffer._episode_start[envs, slots % buffer.slots]
    _, episodes = np.unique(np.column_stack([envs, starts]), axis=0, return_inverse=True)
    return observations["pixels"], observations["achieved_goal"].double().cpu().numpy(), episodes.reshape(-1)
