"""Several steps are an option of the replay buffer: one step is what it was, and no discount is passed on with it."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from visual_her.replay import HerFrameBuffer

LENGTH, GAMMA = 6, 0.9
SPACE = gym.spaces.Dict(
    {key: gym.spaces.Box(-10, 100, (3,)) for key in ("achieved_goal", "desired_goal")}
    | {"pixels": gym.spaces.Box(0, 255, (6, 8, 8), np.uint8)}
)


def buffer(**options: int | float) -> HerFrameBuffer:
    """Eight episodes, whose object moves on by 1 a step."""
    built = HerFrameBuffer(
        100, SPACE, gym.spaces.Box(-1, 1, (2,)), "cpu", episode_length=LENGTH, seed=0,
        compute_reward=lambda achieved, desired, _: -np.abs(achieved - desired).sum(axis=-1), **options,
    )  # fmt: skip
    for episode in range(8):
        seen = [
            {
                "achieved_goal": np.full((1, 3), instant, np.float32),
                "desired_goal": np.full((1, 3), episode, np.float32),
                "pixels": np.full((1, 6, 8, 8), 10 * episode + instant, np.uint8),
            }
            for instant in range(LENGTH + 1)
        ]
        for instant in range(LENGTH):
            done = np.array([instant == LENGTH - 1])
            infos = [{"TimeLimit.truncated": bool(done[0])}]
            built.add(seen[instant], seen[instant + 1], np.zeros((1, 2)), np.full(1, -1.0), done, infos)
    return built


def test_one_step_has_no_discounts_and_is_what_it_was() -> None:
    plain, one = buffer().sample(64), buffer(n_steps=1, gamma=GAMMA).sample(64)
    assert one.discounts is None
    for name in ("actions", "rewards", "dones"):
        assert torch.equal(getattr(one, name), getattr(plain, name)), name
    for side in ("observations", "next_observations"):
        for key, value in getattr(plain, side).items():
            assert torch.equal(getattr(one, side)[key], value), f"{side} {key}"


def test_several_steps_have_a_discount_each() -> None:
    batch = buffer(n_steps=3, gamma=GAMMA).sample(200)
    assert batch.discounts is not None
    assert batch.discounts.shape == batch.rewards.shape == (200, 1)
    taken = (batch.next_observations["achieved_goal"] - batch.observations["achieved_goal"])[:, :1]  # type: ignore[call-overload]
    assert set(taken.flatten().tolist()) == {1, 2, 3}
    assert torch.allclose(batch.discounts, GAMMA**taken)


@pytest.mark.parametrize("n_steps", [0, -1])
def test_no_step_at_all_is_refused(n_steps: int) -> None:
    with pytest.raises(ValueError, match="use at least 1"):
        buffer(n_steps=n_steps)
