"""The linear probe: near zero where features show the position, at chance where they do not, and no trace of itself."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import nn
from visual_her.encoders import ManipulationExtractor
from visual_her.policy import DrQv2SACPolicy
from visual_her.probe import linear_estimates, probe
from visual_her.replay import HerFrameBuffer
from visual_her.sac import PixelSAC

EPISODES, LENGTH, SIDE = 60, 5, 8


class Still(gym.Env[Any, Any]):
    """Nothing but its spaces."""

    observation_space = gym.spaces.Dict(
        {
            "pixels": gym.spaces.Box(0, 255, (3, SIDE, SIDE), np.uint8),
            "achieved_goal": gym.spaces.Box(-1, 1, (3,)),
            "desired_goal": gym.spaces.Box(-1, 1, (3,)),
        }
    )
    action_space = gym.spaces.Box(-1, 1, (2,))


class Channels(nn.Module):
    """(B, C, H, W) -> (B, C): the mean of each channel."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.mean(dim=(2, 3))


def agent(*, coloured: bool, drq_pad: int = 0) -> PixelSAC:
    """Its replay buffer holds episodes whose object rests; where ``coloured``, the frame's colour is its position."""
    space = Still.observation_space
    built = PixelSAC(
        DrQv2SACPolicy, DummyVecEnv([Still]), buffer_size=EPISODES * LENGTH, seed=0, device="cpu",
        replay_buffer_class=HerFrameBuffer,
        replay_buffer_kwargs={
            "compute_reward": lambda a, b, _: -np.ones(len(a)), "episode_length": LENGTH, "drq_pad": drq_pad
        },
        policy_kwargs={
            "features_extractor_class": ManipulationExtractor, "features_extractor_kwargs": {"goal_mode": "desired"}
        },
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for _ in range(EPISODES):
        position = rng.uniform(0, 1, 3)
        observation = {key: np.zeros((1, *box.shape), box.dtype) for key, box in space.items()}  # type: ignore[misc]
        observation["achieved_goal"][0] = position
        if coloured:
            observation["pixels"][0] = np.round(255 * position)[:, None, None]
        for step in range(LENGTH):
            done = np.array([step == LENGTH - 1])
            built.replay_buffer.add(  # type: ignore[union-attr]
                observation, observation, np.zeros((1, 2)), np.array([-1.0]), done, [{"TimeLimit.truncated": True}]
            )
    extractor: Any = built.critic.features_extractor
    extractor.cnn, extractor.head = nn.Identity(), Channels()
    return built


def test_features_that_show_the_position_have_no_error() -> None:
    probed = probe(agent(coloured=True))
    assert probed is not None
    assert probed.error < 0.01  # a grey level is 0.004
    assert probed.spread > 0.2


def test_without_sight_the_error_is_that_of_the_mean() -> None:
    probed = probe(agent(coloured=False))
    assert probed is not None
    assert probed.error > 0.3  # of positions in a unit cube
    assert probed.spread == 0


def test_it_is_measured_on_episodes_that_it_was_not_fitted_on() -> None:
    """Features that only tell episodes apart say nothing about where the object is."""
    rng = np.random.default_rng(0)
    episodes = np.repeat(np.arange(20), 10)
    positions = rng.uniform(size=(20, 3))[episodes]
    names = np.eye(20)[episodes]
    fitted = episodes % 2 == 0
    errors = np.linalg.norm(linear_estimates(names, positions, fitted) - positions, axis=1)
    assert errors[fitted].max() < 0.02
    assert np.median(errors[~fitted]) > 0.3


@pytest.mark.parametrize("drq_pad", [0, 2])
def test_a_run_is_the_same_with_and_without_a_look(drq_pad: int) -> None:
    """No draw of the run's own generators, no shifted picture."""
    looked, left = (agent(coloured=True, drq_pad=drq_pad) for _ in range(2))
    before = torch.get_rng_state()
    probe(looked)
    assert torch.equal(torch.get_rng_state(), before)
    first, second = (a.replay_buffer.sample(8) for a in (looked, left))  # type: ignore[union-attr]
    assert torch.equal(first.observations["pixels"], second.observations["pixels"])
    assert torch.equal(first.actions, second.actions)


def test_there_is_nothing_to_probe_without_an_encoder_or_episodes() -> None:
    built = agent(coloured=True)
    built.replay_buffer.reset()  # type: ignore[union-attr]
    assert probe(built) is None
    built = agent(coloured=True)
    built.critic.features_extractor.cnn = None  # type: ignore[union-attr, assignment]
    assert probe(built) is None
