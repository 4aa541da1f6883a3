"""Episodes in which nothing moved are replayed less often, by the weight that was asked for, and never lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
from visual_her.replay import MOVED, HerFrameBuffer

EPISODES, LENGTH, DRAWS = 40, 10, 20_000
SPACE = gym.spaces.Dict({key: gym.spaces.Box(-10, 100, (3,)) for key in ("achieved_goal", "desired_goal")})


def buffer(*, still_weight: float, moving: int = 10, by: float = 2 * MOVED) -> HerFrameBuffer:
    """Its first ``moving`` episodes move their object at their end; the desired goal is the episode's number."""
    built = HerFrameBuffer(
        EPISODES * LENGTH, SPACE, gym.spaces.Box(-1, 1, (2,)), "cpu", n_sampled_goal=0, episode_length=LENGTH,
        compute_reward=lambda achieved, desired, _: np.zeros(len(achieved)), still_weight=still_weight, seed=0,
    )  # fmt: skip
    for episode in range(EPISODES):
        seen = [at(episode, by if instant == LENGTH and episode < moving else 0.0) for instant in range(LENGTH + 1)]
        for instant in range(LENGTH):
            done = np.array([instant == LENGTH - 1])
            infos = [{"TimeLimit.truncated": bool(done[0])}]
            built.add(seen[instant], seen[instant + 1], np.zeros((1, 2)), np.zeros(1), done, infos)
    return built


def at(episode: int, moved: float) -> Mapping[str, npt.NDArray[Any]]:
    """One env's observation."""
    goals = {"achieved_goal": [[1.0, moved, 0.4]], "desired_goal": [[episode, 0.0, 0.0]]}
    return {key: np.array(goal, np.float32) for key, goal in goals.items()}


def episodes(built: HerFrameBuffer) -> npt.NDArray[np.int64]:
    """How often each episode was drawn."""
    goals = built.sample(DRAWS).observations["desired_goal"][:, 0].numpy()  # type: ignore[call-overload]
    return np.bincount(goals.astype(int), minlength=EPISODES)


@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_still_episodes_are_drawn_by_their_weight(weight: float) -> None:
    counts = episodes(buffer(still_weight=weight))
    assert counts[10:].mean() / counts[:10].mean() == pytest.approx(weight, rel=0.1)
    assert (counts > 0).all()


def test_weight_1_is_uniform() -> None:
    counts = episodes(buffer(still_weight=1.0))
    assert counts[10:].mean() / counts[:10].mean() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize(("moving", "by"), [(0, 1.0), (EPISODES, 1.0), (10, MOVED / 2)])
def test_where_all_episodes_are_alike_all_are_drawn_alike(moving: int, by: float) -> None:
    counts = episodes(buffer(still_weight=0.1, moving=moving, by=by))
    assert counts.min() > 0.75 * counts.mean()


def test_transitions_within_an_episode_stay_uniform() -> None:
    built = buffer(still_weight=0.1)
    _, slots = built._draw_transitions(DRAWS)
    instants = np.bincount(slots % (LENGTH + 1), minlength=LENGTH + 1)
    assert instants[LENGTH] == 0  # a final observation starts no transition
    assert instants[:LENGTH] == pytest.approx(DRAWS / LENGTH, rel=0.15)


def test_a_restored_buffer_knows_which_episodes_were_still(tmp_path: Path) -> None:
    written, restored = buffer(still_weight=0.1), buffer(still_weight=0.1, moving=0)
    with open(tmp_path / "replay.npz", "wb") as file:
        np.savez(file, **written.state_arrays())  # type: ignore[arg-type]
    with np.load(tmp_path / "replay.npz", allow_pickle=False) as arrays:
        restored.load_state_arrays(arrays)
    written.rng, restored.rng = np.random.default_rng(1), np.random.default_rng(1)
    assert all(
        np.array_equal(a, b) for a, b in zip(*(b._draw_transitions(500) for b in (written, restored)), strict=True)
    )
