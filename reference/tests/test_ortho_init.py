"""Orthogonal convolutions to start from: what a flag promises is what the agent has, target and all."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from gymnasium import spaces
from torch import nn
from visual_her.agent import build_agent
from visual_her.config import CHAPTER
from visual_her.encoders import ManipulationExtractor
from visual_her.vec_env import make_task, make_vec_env

SPACE = spaces.Dict({"pixels": spaces.Box(0, 255, (12, 84, 84), "uint8"), "desired_goal": spaces.Box(-1, 1, (3,))})
VARIANTS = [{}, {"spatial_softmax": False}, {"encoder": "nature"}, {"feature_norm": True}]


def convolutions(extractor: ManipulationExtractor) -> list[nn.Conv2d]:
    return [layer for layer in extractor.modules() if isinstance(layer, nn.Conv2d)]


def is_orthogonal(weights: torch.Tensor) -> bool:
    """Rows, or columns where there are fewer of them, of length sqrt(2), each at a right angle to all others."""
    matrix = weights.flatten(1)
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return torch.allclose(small, 2 * torch.eye(len(small)), atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_convolutions_start_orthogonal(variant: dict[str, object]) -> None:
    extractor = ManipulationExtractor(SPACE, goal_mode="desired", ortho_init=True, **variant)  # type: ignore[arg-type]
    assert all(is_orthogonal(layer.weight) and not layer.bias.any() for layer in convolutions(extractor))
    plain = ManipulationExtractor(SPACE, goal_mode="desired", **variant)  # type: ignore[arg-type]
    assert not any(is_orthogonal(layer.weight) for layer in convolutions(plain))


def test_a_feature_map_keeps_its_size_where_torchs_own_fades() -> None:
    torch.manual_seed(0)
    pixels = torch.rand(8, 12, 84, 84)
    spread = {}
    for ortho in (True, False):
        extractor = ManipulationExtractor(SPACE, goal_mode="desired", ortho_init=ortho)
        with torch.no_grad():
            spread[ortho] = float(extractor.cnn(pixels).std())  # type: ignore[misc]
    assert spread[True] > 5 * spread[False], spread


def test_the_agents_encoder_and_its_target_start_from_them() -> None:
    config = dataclasses.replace(
        CHAPTER, env="FetchReach-v4", n_envs=1, image_size=36, buffer_size=200, ortho_init=True, device="cpu"
    )
    env = make_vec_env(config)
    try:
        agent = build_agent(config, env, make_task(config.env).get_wrapper_attr("compute_reward"))
    finally:
        env.close()
    for part in (agent.critic, agent.critic_target):
        layers = convolutions(part.features_extractor)  # type: ignore[arg-type]
        assert len(layers) == 4
        assert all(is_orthogonal(layer.weight) for layer in layers)
