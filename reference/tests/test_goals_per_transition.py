"""Several goals a transition: its rows share the frames, and the losses are those of rows with frames of their own."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import DummyVecEnv
from visual_her.encoders import ManipulationExtractor
from visual_her.policy import DrQv2SACPolicy
from visual_her.replay import HerFrameBuffer
from visual_her.sac import PixelSAC

EPISODES, LENGTH, SIDE, GOALS, ROWS = 40, 6, 12, 4, 400
TOLERANCE = 0.05


class Noise(gym.Env[Any, Any]):
    """Nothing but its spaces."""

    observation_space = gym.spaces.Dict(
        {
            "pixels": gym.spaces.Box(0, 255, (3, SIDE, SIDE), np.uint8),
            "proprioception": gym.spaces.Box(-1, 1, (10,)),
            "achieved_goal": gym.spaces.Box(-1, 1, (3,)),
            "desired_goal": gym.spaces.Box(-1, 1, (3,)),
        }
    )
    action_space = gym.spaces.Box(-1, 1, (2,))


def reward(achieved: np.ndarray, desired: np.ndarray, _: Any) -> np.ndarray:
    """Sparse, as FetchPush's."""
    return -(np.linalg.norm(achieved - desired, axis=1) > TOLERANCE).astype(np.float32)


def agent(*, drq_pad: int = 0, **replay: Any) -> PixelSAC:
    """Its replay buffer holds noise in which episode e achieves (e, instant, 0) and is told to reach (e, -1, 0)."""
    space = Noise.observation_space
    built = PixelSAC(
        DrQv2SACPolicy, DummyVecEnv([Noise]), buffer_size=EPISODES * LENGTH, seed=0, device="cpu", learning_rate=0.0,
        replay_buffer_class=HerFrameBuffer,
        replay_buffer_kwargs={"compute_reward": reward, "episode_length": LENGTH, "drq_pad": drq_pad, **replay},
        policy_kwargs={
            "features_extractor_class": ManipulationExtractor, "features_extractor_kwargs": {"goal_mode": "desired"}
        },
    )  # fmt: skip
    space.seed(0)
    for episode in range(EPISODES):
        seen = []
        for instant in range(LENGTH + 1):
            observation = {key: value[None] for key, value in space.sample().items()}
            observation["achieved_goal"][0] = episode, instant, 0
            observation["desired_goal"][0] = episode, -1, 0
            seen.append(observation)
        for instant in range(LENGTH):
            last = np.array([instant == LENGTH - 1])
            infos = [{"TimeLimit.truncated": bool(last[0])}]
            built.replay_buffer.add(seen[instant], seen[instant + 1], np.zeros((1, 2)), np.zeros(1), last, infos)  # type: ignore[union-attr]
    return built


def drawn(rows: int = ROWS, **replay: Any) -> DictReplayBufferSamples:
    return agent(**replay).replay_buffer.sample(rows)  # type: ignore[union-attr,return-value]


def test_rows_of_a_transition_share_its_frames_and_its_vectors() -> None:
    batch = drawn(n_goals=GOALS)
    assert len(batch.observations["pixels"]) == len(batch.next_observations["pixels"]) == ROWS // GOALS
    for key in ("proprioception", "achieved_goal"):
        for side in (batch.observations, batch.next_observations):
            rows = side[key].reshape(ROWS // GOALS, GOALS, -1)
            assert (rows == rows[:, :1]).all()
    assert len(batch.actions) == len(batch.rewards) == len(batch.dones) == ROWS


def test_a_picture_is_that_of_its_rows() -> None:
    subject = agent(n_goals=GOALS)
    batch = subject.replay_buffer.sample(ROWS)  # type: ignore[union-attr]
    subject.replay_buffer.n_goals = 1  # type: ignore[union-attr]
    alone = subject.replay_buffer.sample(5_000)  # type: ignore[union-attr]
    shown = {
        tuple(at.tolist()): picture
        for at, picture in zip(alone.observations["achieved_goal"], alone.observations["pixels"], strict=True)  # type: ignore[call-overload]
    }
    for picture, at in zip(
        batch.observations["pixels"],  # type: ignore[call-overload]
        batch.observations["achieved_goal"][::GOALS],  # type: ignore[call-overload]
        strict=True,
    ):
        assert torch.equal(picture, shown[tuple(at.tolist())])


def test_each_row_draws_a_goal_of_its_own() -> None:
    batch = drawn(n_goals=GOALS, n_sampled_goal=4)
    goals = batch.observations["desired_goal"].reshape(-1, GOALS, 3)
    assert (goals != goals[:, :1]).any(dim=2).any(dim=1).float().mean() > 0.7
    relabelled = batch.observations["desired_goal"][:, 1] >= 0
    assert 0.7 < relabelled.float().mean() < 0.9  # k / (k + 1) of the rows


def test_rewards_are_those_of_each_rows_goal() -> None:
    batch = drawn(n_goals=GOALS)
    achieved, goals = batch.next_observations["achieved_goal"], batch.observations["desired_goal"]
    assert torch.equal(goals, batch.next_observations["desired_goal"])
    relabelled = goals[:, 1] >= 0
    wanted = torch.as_tensor(reward(achieved.numpy(), goals.numpy(), None))
    assert torch.equal(batch.rewards[relabelled, 0], wanted[relabelled])
    assert (wanted[relabelled] == 0).any()


def test_every_relabelled_goal_is_achieved_later_in_the_rows_own_episode() -> None:
    batch = drawn(4_000, n_goals=GOALS)
    goals, achieved = batch.observations["desired_goal"], batch.observations["achieved_goal"]
    relabelled = goals[:, 1] >= 0
    assert (goals[:, 0] == achieved[:, 0]).all()
    assert (goals[:, 1] > achieved[:, 1])[relabelled].all()


@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_random_goals_are_what_any_episode_achieved(fraction: float) -> None:
    batch = drawn(4_000, random_goals=fraction, n_sampled_goal=4)
    goals, achieved = batch.observations["desired_goal"], batch.observations["achieved_goal"]
    relabelled = goals[:, 1] >= 0
    others = relabelled & (goals[:, 0] != achieved[:, 0])
    assert abs(relabelled.float().mean() - 0.8) < 0.03
    assert abs(others.sum() / relabelled.sum() - fraction * (1 - 1 / EPISODES)) < 0.03
    assert len(torch.unique(goals[others][:, 0])) == EPISODES
    assert len(torch.unique(goals[others][:, 1])) == LENGTH
    wanted = torch.as_tensor(reward(batch.next_observations["achieved_goal"].numpy(), goals.numpy(), None))
    assert torch.equal(batch.rewards[relabelled, 0], wanted[relabelled])


@pytest.mark.parametrize("side", ["observations", "next_observations"])
def test_features_are_those_of_repeated_pictures(side: str) -> None:
    subject = agent(n_goals=GOALS)
    observations = getattr(subject.replay_buffer.sample(ROWS), side)  # type: ignore[union-attr]
    repeated = {**observations, "pixels": observations["pixels"].repeat_interleave(GOALS, dim=0)}
    extractor, critic = subject.critic.features_extractor, subject.critic
    with torch.no_grad():
        few, many = (critic.extract_features(one, extractor) for one in (observations, repeated))
    torch.testing.assert_close(few, many)


def test_the_encoder_learns_from_every_row() -> None:
    subject = agent(n_goals=GOALS)
    batch = subject.replay_buffer.sample(ROWS)  # type: ignore[union-attr]
    pixels = {
        name: getattr(batch, name)["pixels"].repeat_interleave(GOALS, dim=0)
        for name in ("observations", "next_observations")
    }
    whole = batch._replace(**{name: {**getattr(batch, name), "pixels": rows} for name, rows in pixels.items()})
    few, many = (gradients(subject, one) for one in (batch, whole))
    assert any(gradient.abs().max() > 0 for gradient in few)
    for one, other in zip(few, many, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def gradients(subject: PixelSAC, batch: DictReplayBufferSamples) -> list[torch.Tensor]:
    """What a critic step leaves at the encoder; the learning rate is 0."""
    torch.manual_seed(0)  # the target samples an action
    features = subject.critic.extract_features(batch.observations, subject.critic.features_extractor)
    subject._critic_step(batch, features)
    return [p.grad.clone() for p in subject.critic.features_extractor.parameters() if p.grad is not None]


@pytest.mark.parametrize("rows", [3, 6])
def test_a_batch_of_no_whole_transitions_is_refused(rows: int) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        drawn(rows, n_goals=GOALS)
