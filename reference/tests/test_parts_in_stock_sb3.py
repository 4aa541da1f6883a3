"""Each part works alone in Stable-Baselines3's own ``SAC``, and saving and loading there keeps the routing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import gymnasium_robotics
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv
from visual_her.encoders import ManipulationExtractor, NatureCNN
from visual_her.pixel_env import PixelObservationWrapper
from visual_her.policy import DrQv2SACPolicy, verify_gradient_flow
from visual_her.replay import HerFrameBuffer
from visual_her.sac import PixelSAC
from visual_her_spec.fake_env import FakeEnv, compute_reward

gym.register_envs(gymnasium_robotics)


def wrapped() -> PixelObservationWrapper:
    return PixelObservationWrapper(FakeEnv(episode_length=5, size=36), image_size=36, frame_stack=2)


def make(kind: type[SAC] = SAC, policy: Any = DrQv2SACPolicy, seed: int = 0, **policy_kwargs: Any) -> SAC:
    return kind(
        policy,
        DummyVecEnv([wrapped, wrapped]),
        policy_kwargs={"features_extractor_class": ManipulationExtractor, "net_arch": [16], **policy_kwargs},
        replay_buffer_class=HerFrameBuffer,  # type: ignore[arg-type]
        replay_buffer_kwargs={"compute_reward": compute_reward, "episode_length": 5},
        buffer_size=100,
        learning_starts=20,
        batch_size=8,
        device="cpu",
        seed=seed,
    )


def encoder_state(agent: SAC) -> dict[str, torch.Tensor]:
    extractor = agent.critic.features_extractor
    return {name: parameter.detach().clone() for name, parameter in extractor.named_parameters()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> bool:
    return all(not torch.equal(before[name], after[name]) for name in before)


def test_stock_sac_trains_the_encoder_and_a_loaded_agent_goes_on(tmp_path: Path) -> None:
    agent = make()
    before = encoder_state(agent)
    agent.learn(40)
    assert moved(before, encoder_state(agent)), "SAC's critic step did not move every encoder parameter"
    agent.save(tmp_path / "agent")
    agent.save_replay_buffer(tmp_path / "replay")
    loaded = SAC.load(tmp_path / "agent", env=agent.get_env(), device="cpu")
    assert isinstance(loaded.policy, DrQv2SACPolicy)
    encoder = {id(parameter) for parameter in loaded.critic.features_extractor.parameters()}
    held = {
        name: {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name, optimizer in (("actor", loaded.actor.optimizer), ("critic", loaded.critic.optimizer))
    }
    assert encoder <= held["critic"], "after loading, the critic's optimizer holds other tensors than the encoder's"
    assert not encoder & held["actor"], "after loading, the encoder is in the actor's optimizer"
    assert verify_gradient_flow(loaded.policy).actor == 0
    loaded.load_replay_buffer(tmp_path / "replay")  # SB3 saves it apart; without it stock SAC samples an empty buffer
    assert loaded.replay_buffer.size() == agent.replay_buffer.size()  # type: ignore[union-attr]
    before = encoder_state(loaded)
    loaded.learn(40, reset_num_timesteps=False)
    assert moved(before, encoder_state(loaded)), "after loading, training does not move the encoder"


def test_the_wrapper_passes_gymnasiums_own_check() -> None:
    env = PixelObservationWrapper(gym.make("FetchReach-v4"), image_size=16, goal_marker="hidden")  # type: ignore[arg-type]
    try:
        check_env(env, skip_render_check=True)
    finally:
        env.close()


def test_a_key_that_the_extractor_would_leave_out_is_refused() -> None:
    space = gym.spaces.Dict(
        {"pixels": gym.spaces.Box(0, 255, (3, 36, 36), np.uint8), "velocity": gym.spaces.Box(-1, 1)}
    )
    with pytest.raises(ValueError, match="'velocity' is none of pixels"):
        ManipulationExtractor(space, goal_mode="none")


def test_more_channels_than_rows_are_warned_of_because_sb3_transposes_them() -> None:
    with pytest.warns(UserWarning, match="SB3 takes them for the rows"):
        PixelObservationWrapper(FakeEnv(episode_length=5, size=36), image_size=36, frame_stack=13)


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size=0 draws nothing"):
        make().replay_buffer.sample(0)  # type: ignore[union-attr]


def test_share_features_extractor_is_refused_by_the_policy_that_decides_it() -> None:
    with pytest.raises(ValueError, match="leave share_features_extractor out"):
        make(share_features_extractor=True)


@pytest.mark.parametrize(("share", "reached"), [(True, "actor alone"), (False, "both")])
def test_verify_gradient_flow_tells_sb3s_own_routings_apart(share: bool, reached: str) -> None:
    flow = verify_gradient_flow(make(policy="MultiInputPolicy", share_features_extractor=share).policy)
    assert flow.actor > 0, f"SB3's routing sends the actor's gradient to {reached}"
    assert (flow.critic > 0) is not share


def test_verify_gradient_flow_changes_nothing_and_leaves_no_gradient() -> None:
    agent = make()
    before = encoder_state(agent)
    first, second = (verify_gradient_flow(agent.policy, seed=3) for _ in range(2))
    assert first.critic == second.critic > 0
    assert all(torch.equal(before[name], value) for name, value in encoder_state(agent).items())
    assert all(parameter.grad is None for parameter in agent.policy.parameters())


def test_pixel_sac_has_sb3s_critic_loss() -> None:
    """The same batch, weights and noise: the loss of one method a loss is that of SB3's ``train``."""
    losses = []
    for kind in (SAC, PixelSAC):
        agent = make(kind)
        agent.learn(20)
        batch = agent.replay_buffer.sample(8)  # type: ignore[union-attr]
        batch = batch._replace(dones=torch.ones_like(batch.dones))  # no bootstrapping, so no sampled action
        agent.replay_buffer.sample = lambda *_, fixed=batch, **__: fixed  # type: ignore[union-attr,method-assign]
        agent.num_timesteps = 1_000
        agent.train(1, 8)
        recorded = getattr(agent, "_losses", None)
        losses.append(
            float(recorded["critic_loss"][0]) if recorded else agent.logger.name_to_value["train/critic_loss"]
        )
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_an_update_passes_each_encoder_no_more_often_than_the_losses_need() -> None:
    agent = make(PixelSAC)
    agent.learn(20)
    agent.num_timesteps = 1_000
    passes: list[tuple[str, bool]] = []
    for name, network in (("online", agent.critic), ("target", agent.critic_target)):
        convs = network.features_extractor.cnn
        convs.register_forward_hook(lambda *_, name=name: passes.append((name, torch.is_grad_enabled())))  # type: ignore[union-attr]
    agent.train(1, 8)
    assert sorted(passes) == [("online", False), ("online", True), ("target", False)]


def test_nature_cnn_has_512_features_and_says_how_large_a_picture_it_needs() -> None:
    assert NatureCNN((12, 84, 84))(torch.zeros(2, 12, 84, 84)).shape == (2, 512)
    with pytest.raises(ValueError, match="36x36"):
        NatureCNN((12, 35, 84))


def test_vectors_are_standardised_once_and_the_statistics_travel_with_the_weights() -> None:
    agent = make(PixelSAC, features_extractor_kwargs={"standardize": True})
    agent.learn(60)
    extractors = [network.features_extractor for network in (agent.actor, agent.critic, agent.critic_target)]
    means = [extractor.standardize.mean.clone() for extractor in extractors]  # type: ignore[union-attr]
    assert all(bool(extractor.standardize.fitted) for extractor in extractors)  # type: ignore[union-attr]
    assert torch.isfinite(means[0]).all()
    assert torch.count_nonzero(means[0]) > 0
    agent.learn(40, reset_num_timesteps=False)
    assert all(torch.equal(extractor.standardize.mean, mean) for extractor, mean in zip(extractors, means, strict=True))  # type: ignore[union-attr]
    other = make(PixelSAC, seed=1, features_extractor_kwargs={"standardize": True})
    other.policy.load_state_dict(agent.policy.state_dict())
    assert torch.equal(other.critic.features_extractor.standardize.mean, means[1])  # type: ignore[union-attr]
