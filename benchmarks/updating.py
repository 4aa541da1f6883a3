"""One update, of the reference and of any SB3 ``SAC``, on a given batch."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import DummyVecEnv
from torch.distributions import normal
from visual_her.agent import build_agent
from visual_her.config import CHAPTER
from visual_her.sac import PixelSAC
from visual_her.vec_env import make_env, make_task

from benchmarks.collection import ACTIONS, EPISODE


def our_agent(**choices: Any) -> PixelSAC:
    """The agent of the chapter's recipe, untrained, on the CPU if ``choices`` do not say otherwise."""
    config = dataclasses.replace(CHAPTER, **{"device": "cpu", **choices})
    reward = make_task("FetchPush-v4").unwrapped.compute_reward  # type: ignore[attr-defined]
    return build_agent(config, DummyVecEnv([lambda: make_env(config)]), reward, buffer_size=EPISODE)


def batch_of(size: int, image_size: int = 84) -> DictReplayBufferSamples:
    """A batch as a replay buffer returns it, random."""
    rng = np.random.default_rng(0)

    def observations() -> dict[str, torch.Tensor]:
        pixels = rng.integers(0, 256, (size, 12, image_size, image_size), np.uint8)
        vectors = {"proprioception": 10, "achieved_goal": 3, "desired_goal": 3}
        floats = {
            key: torch.as_tensor(rng.random((size, width)), dtype=torch.float32) for key, width in vectors.items()
        }
        return {"pixels": torch.as_tensor(pixels), **floats}

    return DictReplayBufferSamples(
        observations=observations(),
        actions=torch.as_tensor(rng.uniform(-1, 1, (size, ACTIONS)), dtype=torch.float32),
        next_observations=observations(),
        dones=torch.zeros(size, 1),
        rewards=torch.as_tensor(-rng.integers(0, 2, (size, 1)), dtype=torch.float32),
    )


class SameBatch:
    """Stands in for a replay buffer, so that an update is timed without sampling."""

    def __init__(self, batch: DictReplayBufferSamples) -> None:
        self.batch = batch

    def size(self) -> int:
        """Enough to train."""
        return len(self.batch.rewards)

    def sample(self, batch_size: int, env: Any = None) -> DictReplayBufferSamples:
        """The batch, each time."""
        return self.batch


def ready_to_update(agent: SAC, batch: DictReplayBufferSamples) -> Callable[[], None]:
    """One update of ``agent`` on ``batch``, through its own ``train``."""
    agent.replay_buffer = SameBatch(batch)  # type: ignore[assignment]
    agent.num_timesteps = 1_000_000
    agent.set_logger(Logger(None, []))
    return lambda: agent.train(gradient_steps=1, batch_size=len(batch.rewards))


def critic_loss_of(agent: SAC) -> float:
    """The critic's loss of the last update."""
    if isinstance(agent, PixelSAC):
        return float(agent._losses["critic_loss"][-1])
    return float(agent.logger.name_to_value["train/critic_loss"])


@contextlib.contextmanager
def with_same_noise() -> Iterator[None]:
    """Every action's noise is the same, in whatever order an implementation draws it."""
    drawn = normal._standard_normal  # type: ignore[attr-defined]

    def same(shape: Any, dtype: Any, device: Any) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.randn(shape, dtype=dtype, generator=generator).to(device)

    normal._standard_normal = same  # type: ignore[attr-defined]
    try:
        yield
    finally:
        normal._standard_normal = drawn  # type: ignore[attr-defined]
