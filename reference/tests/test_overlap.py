"""Updates that run while the workers take the next step: their order, their number, and what is due at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stable_baselines3.common.vec_env import DummyVecEnv
from visual_her.pixel_env import PixelObservationWrapper
from visual_her.policy import DrQv2SACPolicy
from visual_her.replay import HerFrameBuffer
from visual_her.sac import PixelSAC
from visual_her_spec.fake_env import FakeEnv, compute_reward


class Recorded(DummyVecEnv):
    """Writes down in which order things happen; calls ``meanwhile`` where ``WorkerVecEnv`` does."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        super().__init__([lambda: PixelObservationWrapper(FakeEnv(episode_length=5, size=36), image_size=36)] * 2)

    def step_async(self, actions: Any) -> None:
        """Under way."""
        self.events.append("under way")
        super().step_async(actions)

    def step_wait(self) -> Any:
        """There."""
        self.meanwhile()
        self.events.append("there")
        return super().step_wait()


def trained(*, overlap: bool) -> tuple[PixelSAC, list[str]]:
    """20 vectorised steps of two environments, of which the first 10 are warm-up."""
    env = Recorded()
    agent = PixelSAC(
        DrQv2SACPolicy, env, overlap=overlap, learning_starts=20, buffer_size=100, batch_size=8, seed=0, device="cpu",
        replay_buffer_class=HerFrameBuffer, policy_kwargs={"net_arch": [8]}, gradient_steps=2,
        replay_buffer_kwargs={"compute_reward": compute_reward, "episode_length": 5},
    )  # fmt: skip
    update = agent.update

    def recorded(gradient_steps: int, batch_size: int) -> None:
        env.events.append("update")
        update(gradient_steps, batch_size)

    agent.update = recorded  # type: ignore[method-assign]
    agent.learn(40, log_interval=None)
    return agent, env.events


def test_without_it_an_update_follows_its_step() -> None:
    _, events = trained(overlap=False)
    assert events == ["under way", "there"] * 10 + ["under way", "there", "update"] * 10


def test_with_it_an_update_runs_while_the_next_step_is_under_way_and_the_last_one_at_the_end() -> None:
    agent, events = trained(overlap=True)
    assert events == ["under way", "there"] * 11 + ["under way", "update", "there"] * 9 + ["update"]
    assert agent._n_updates == trained(overlap=False)[0]._n_updates == 20


def test_nothing_is_done_twice() -> None:
    agent, events = trained(overlap=True)
    before = len(events)
    agent.catch_up()
    assert len(events) == before


def test_it_needs_environments_that_can_be_under_way() -> None:
    env = DummyVecEnv([lambda: PixelObservationWrapper(FakeEnv(episode_length=5, size=36), image_size=36)])
    with pytest.raises(ValueError, match="WorkerVecEnv"):
        PixelSAC(DrQv2SACPolicy, env, overlap=True)
