"""Convolutions in bfloat16: the gradient of every loss stays what float32 makes of it, the heads stay float32."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv
from visual_her.agent import build_agent, precision_of
from visual_her.config import CHAPTER, TrainConfig
from visual_her.encoders import ManipulationExtractor
from visual_her.sac import PixelSAC
from visual_her.vec_env import make_env, make_task

CONFIG = dataclasses.replace(CHAPTER, env="FetchPush-v4", device="cpu", n_envs=1, buffer_size=200, learning_starts=150)


def agent(config: TrainConfig) -> PixelSAC:
    """With 150 random steps of the real task in its replay buffer."""
    env = DummyVecEnv([lambda: make_env(config)])
    built = build_agent(config, env, make_task(config.env).get_wrapper_attr("compute_reward"))
    built.learn(150, log_interval=None)
    return built


@pytest.fixture(scope="module")
def agents() -> tuple[PixelSAC, PixelSAC]:
    """The same parameters and the same transitions, in float32 and in bfloat16."""
    single, half = agent(CONFIG), agent(dataclasses.replace(CONFIG, precision="bfloat16"))
    half.policy.load_state_dict(single.policy.state_dict())
    return single, half


def gradients(one: PixelSAC, updates: int) -> list[dict[str, torch.Tensor]]:
    """Of the critic, encoder included, and of the actor, at each update."""
    one.replay_buffer.rng = np.random.default_rng(0)  # type: ignore[union-attr]
    torch.manual_seed(0)
    found: list[dict[str, torch.Tensor]] = []

    def keep(loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        part = {"actor": one.actor.optimizer, "critic": one.critic.optimizer}
        (name,) = (name for name, its in part.items() if its is optimizer)
        found.append({name: torch.cat([p.grad.flatten() for p in parameters])})  # type: ignore[union-attr]
        if name == "critic":
            encoder = one.critic.features_extractor.parameters()
            found[-1]["encoder"] = torch.cat([p.grad.flatten() for p in encoder if p.grad is not None])

    one._minimise = keep  # type: ignore[method-assign]  # parameters stay where they are
    one.update(updates, 64)
    del one._minimise
    return found


def test_gradients_point_where_those_of_float32_do(agents: tuple[PixelSAC, PixelSAC]) -> None:
    for exact, rounded in zip(*(gradients(one, updates=3) for one in agents), strict=True):
        for name in exact:
            cosine = torch.nn.functional.cosine_similarity(exact[name], rounded[name], dim=0)
            assert cosine >= 0.99, f"{name}: {cosine:.4f}"
            assert not torch.equal(exact[name], rounded[name]), f"{name} was not computed in bfloat16 at all"


def test_keypoints_are_float32_and_less_than_a_pixel_off(agents: tuple[PixelSAC, PixelSAC]) -> None:
    pixels = agents[0].replay_buffer.sample(64).observations["pixels"].float() / 255  # type: ignore[union-attr,call-overload]
    extractors = [one.critic.features_extractor for one in agents]
    with torch.no_grad():
        exact, rounded = (one.pixel_features(pixels) for one in extractors if isinstance(one, ManipulationExtractor))
    assert rounded.dtype == torch.float32
    assert (exact - rounded).abs().max() < 2 / 84


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_encoder_is_the_same_but_for_rounding() -> None:
    small = dataclasses.replace(CONFIG, image_size=36, render_size=36, num_filters=8)
    plain, compiled = agent(small), agent(dataclasses.replace(small, compile=True))
    compiled.policy.load_state_dict(plain.policy.state_dict())
    for exact, other in zip(*(gradients(one, updates=1) for one in (plain, compiled)), strict=True):
        for name in exact:
            assert torch.nn.functional.cosine_similarity(exact[name], other[name], dim=0) >= 0.9999, name


def test_auto_is_bfloat16_on_a_cpu_with_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    auto = dataclasses.replace(CONFIG, precision="auto", device="cpu")
    for amx, wanted in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda amx=amx: {"amx_bf16": amx})
        assert precision_of(auto) == wanted
        assert precision_of(dataclasses.replace(auto, precision="float32")) == "float32"
