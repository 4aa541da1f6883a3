"""The classifier's estimates, the filter and the smoother, and the environments that carry beliefs."""

from __future__ import annotations

import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv
from visual_her import training
from visual_her.belief import MEMORY, BeliefVecEnv, filtered, remember, smoothed, start_history
from visual_her.classifier import SuccessClassifier
from visual_her.conformance import Reference
from visual_her.memory import keep_freed_memory
from visual_her.recipes import RECIPES


def walk(steps: int, *, noise: float, moves_at: int, seed: int = 0) -> tuple[Any, Any]:
    """True positions (T, 3) of an object that jumps by 20 cm, and estimates (T, 4) that know their own error."""
    rng = np.random.default_rng(seed)
    true = np.zeros((steps, 3))
    true[moves_at:, 0] = 0.2
    return true, np.concatenate([true + noise * rng.normal(size=true.shape), np.full((steps, 1), noise)], axis=1)


def run_filter(estimates: Any, name: Any = "bilateral") -> Any:
    history, beliefs = start_history(1, 3), []
    for step, estimate in enumerate(estimates):
        history = remember(history, estimate[None], np.array([step == 0]))
        beliefs.append(filtered(history, name)[0])
    return np.array(beliefs)


@pytest.mark.parametrize("believe", [run_filter, smoothed])
def test_a_belief_is_steadier_than_a_frame_and_does_not_smear_a_jump(believe: Any) -> None:
    true, estimates = walk(40, noise=0.01, moves_at=20)
    beliefs = believe(estimates)
    still = slice(8, 19)
    assert np.abs(np.diff(beliefs[still], axis=0)).mean() < 0.6 * np.abs(np.diff(estimates[still, :3], axis=0)).mean()
    assert np.abs(beliefs - true)[[19, 20, 21]].max() < 0.03, "the jump of 20 cm shows within a step"


def test_an_exponential_mean_smears_a_jump_and_none_is_the_frame() -> None:
    true, estimates = walk(40, noise=0.01, moves_at=20)
    assert np.abs(run_filter(estimates, "exponential") - true)[20].max() > 0.08
    np.testing.assert_array_equal(run_filter(estimates, "none"), estimates[:, :3])
    np.testing.assert_array_equal(smoothed(estimates, "none"), estimates[:, :3])


def test_a_sure_estimate_outweighs_an_unsure_one_and_equal_sigma_does_not_know() -> None:
    _, estimates = walk(10, noise=0.01, moves_at=10)
    estimates[-1] = (0.05, 0, 0, 0.2)  # an occluded frame, which says so
    assert np.abs(run_filter(estimates)[-1]).max() < 0.015
    assert np.abs(run_filter(estimates, "equal-sigma")[-1]).max() > 0.04


def test_the_filter_at_the_last_instant_is_the_smoother_where_there_is_no_future() -> None:
    _, estimates = walk(MEMORY, noise=0.01, moves_at=9)
    np.testing.assert_allclose(run_filter(estimates)[-1], smoothed(estimates)[-1])


class Shown(gym.Env[Any, Any]):
    """An episode of three steps whose pictures are noise."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        goal = spaces.Box(-np.inf, np.inf, (3,), np.float64)
        self.observation_space = spaces.Dict(
            {"pixels": spaces.Box(0, 255, (3, 16, 16), np.uint8), "achieved_goal": goal, "desired_goal": goal}
        )
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)
        self.episode, self.at = -1, 0

    def observe(self) -> Any:
        rng = np.random.default_rng([self.seed, self.episode, self.at])
        goals = {key: np.zeros(3) for key in ("achieved_goal", "desired_goal")}
        return {"pixels": rng.integers(0, 256, (3, 16, 16), np.uint8), **goals}

    def reset(self, **_: Any) -> Any:
        self.episode, self.at = self.episode + 1, 0
        return self.observe(), {}

    def step(self, action: Any) -> Any:
        self.at += 1
        return self.observe(), -1.0, False, self.at == 3 + self.seed, {}


def test_environments_whose_episodes_end_at_different_times_keep_their_beliefs_apart() -> None:
    """The final observation has the belief of its own episode, and the next one starts anew."""
    torch.manual_seed(0)
    classifier = SuccessClassifier(3, num_filters=4)
    both = BeliefVecEnv(DummyVecEnv([lambda: Shown(0), lambda: Shown(1)]), classifier)
    alone = BeliefVecEnv(DummyVecEnv([lambda: Shown(1)]), classifier)
    observed, wanted = both.reset(), alone.reset()
    ends = 0
    for _ in range(10):
        for key in ("belief", "estimate"):
            np.testing.assert_allclose(observed[key][1:], wanted[key], atol=1e-7)
        observed, _, dones, infos = both.step(np.zeros((2, 2)))
        wanted, _, _, wanted_infos = alone.step(np.zeros((1, 2)))
        if dones[1]:
            final, wanted_final = (info["terminal_observation"] for info in (infos[1], wanted_infos[0]))
            np.testing.assert_allclose(final["belief"], wanted_final["belief"], atol=1e-7)
            np.testing.assert_allclose(observed["belief"][1], observed["estimate"][1, :3])
            assert not np.allclose(final["belief"], final["estimate"][:3], atol=1e-9)
            ends += 1
    assert ends == 2


def test_what_sees_follows_what_learns_and_a_frame_that_shows_nothing_is_unsure() -> None:
    """An object on one background; where it is absent, the classifier's own sigma says so."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)

    def scenes(count: int) -> tuple[Any, Any]:
        frames, positions = np.full((count, 3, 16, 16), 60, np.uint8), np.zeros((count, 2))
        for frame, position in zip(frames, positions, strict=True):
            row, column = rng.integers(1, 15, 2)
            frame[:, row - 1 : row + 2, column - 1 : column + 2] = 250
            position[:] = (column - 8) / 8, (row - 8) / 8
        return frames, positions

    frames, positions = scenes(1_000)
    frames[:200] = 60  # hidden
    classifier = SuccessClassifier(2)
    classifier.fit(np.zeros(2), np.full(2, 0.5))
    for _ in range(300):
        at = rng.integers(1_000, size=64)
        goals = positions[at][:, None] + rng.normal(size=(64, 16, 2)) * 0.35
        reached = np.linalg.norm(goals - positions[at][:, None], axis=2) < 0.25
        classifier.learn(
            torch.from_numpy(frames[at]), torch.from_numpy(goals).float(), torch.from_numpy(reached).float()
        )
        classifier.publish()
    shown, where = scenes(200)
    seen = classifier.see(torch.from_numpy(shown))
    errors = np.linalg.norm(seen[:, :2] - where, axis=1)
    hidden = classifier.see(torch.from_numpy(frames[:1]))
    assert np.median(errors) < 0.1
    assert hidden[0, 2] > 3 * np.median(seen[:, 2]), "a frame without the object is as sure as one with it"


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_freed_memory_is_kept() -> None:
    """Forward and backward of a convolution leave the kernel in peace once the first of them are done."""
    import resource

    keep_freed_memory()
    convolution = torch.nn.Conv2d(3, 32, 3)
    pictures = torch.rand(64, 3, 84, 84)  # 55 MB of outputs: far above what malloc keeps by itself
    faults = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        convolution(pictures).square().mean().backward()
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(faults[2:]) < 2_000, f"{faults} page faults: 55 MB are 13,000 pages"


def test_laptop_reads_no_position() -> None:
    _, laptop = RECIPES["laptop"]
    assert (laptop.belief, laptop.goal_mode, laptop.goal_marker) == (True, "desired", "hidden")


def test_a_classifier_that_is_not_finite_is_never_written_over_a_checkpoint() -> None:
    """It counts as the policy does when a run ends with numbers that are not finite."""
    goal = spaces.Box(-np.inf, np.inf, (3,), np.float64)
    space = spaces.Dict(
        {"pixels": spaces.Box(0, 255, (3, 16, 16), np.uint8), "achieved_goal": goal, "desired_goal": goal}
    )
    actions = spaces.Box(-1, 1, (2,), np.float32)
    agent = Reference().make_belief_agent(space, actions, n_envs=1, compute_reward=lambda *_: 0, episode_length=5).agent
    assert training._finite(agent)
    with torch.no_grad():
        agent.classifier.network.position.weight[0, 0] = torch.nan
    assert not training._finite(agent)
