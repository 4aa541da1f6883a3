"""Adapter for implementations that are shaped like Stable-Baselines3: an agent class and a buffer class, no more.

``SB3Implementation`` needs one function that makes the agent. It takes ``SAC.train`` apart from outside: to see the
critic's step alone, the actor's optimizer is kept from stepping, and so on. Nothing of the implementation is rewritten.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3 import SAC
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import DummyVecEnv
from stable_baselines3.her import HerReplayBuffer

from visual_her_spec.protocol import (
    AgentProbe,
    Batch,
    Capability,
    EncoderProbe,
    GoalMode,
    Observations,
    ReplayProbe,
    RewardFunction,
)

Array = npt.NDArray[Any]
MakeAgent = Callable[..., SAC]


@dataclass(frozen=True, kw_only=True)
class SB3Implementation:
    """An implementation of visual HER out of SB3-shaped parts.

    Attributes:
        name: shown in reports.
        make_sac: ``make_sac(env, goal_mode=..., seed=...)`` returns an untrained ``SAC`` or subclass on the CPU.
        wrap: ``wrap(task, **options)`` returns the pixel wrapper; see ``Implementation.make_env``.
        version: shown in reports.
        capabilities: what is claimed.
        tau: the agents' Polyak coefficient.
        gamma: their discount.
        entropy_coefficient: their fixed entropy coefficient.
    """

    name: str
    make_sac: MakeAgent
    wrap: Callable[..., gym.Env[Any, Any]] | None = None
    version: str = "0"
    capabilities: frozenset[Capability] = field(default_factory=frozenset)
    tau: float = 0.005
    gamma: float = 0.99
    entropy_coefficient: float = 0.05

    def make_env(self, task: gym.Env[Any, Any], **options: Any) -> gym.Env[Any, Any]:
        """``wrap``."""
        if self.wrap is None:
            raise RuntimeError("no wrapper was given: pass wrap=... to SB3Implementation, or choose other areas")
        return self.wrap(task, **options)

    def make_encoder(
        self,
        observation_space: spaces.Dict,
        *,
        variant: str = "spatial-softmax",
        goal_mode: GoalMode = "both",
        seed: int = 0,
    ) -> EncoderProbe:
        """The critic's features extractor."""
        action_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        return SB3Encoder(self._sac(observation_space, action_space, goal_mode=goal_mode, seed=seed))  # type: ignore[return-value]

    def make_agent(
        self, observation_space: spaces.Dict, action_space: spaces.Box, *, goal_mode: GoalMode = "both", seed: int = 0
    ) -> AgentProbe:
        """The agent of ``make_sac``."""
        return SB3Agent(self._sac(observation_space, action_space, goal_mode=goal_mode, seed=seed))

    def load_agent(self, path: Path) -> AgentProbe:
        """``SAC.load``, by the class that saved it."""
        kind = self._sac(_ANY_SPACE, spaces.Box(-1.0, 1.0, (1,), np.float32), goal_mode="both", seed=0).__class__
        return SB3Agent(kind.load(path, device="cpu"))

    def make_replay(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Box,
        *,
        capacity: int,
        n_envs: int,
        n_sampled_goal: int,
        compute_reward: RewardFunction,
        episode_length: int,
        drq_pad: int = 0,
        seed: int = 0,
    ) -> ReplayProbe:
        """SB3's ``HerReplayBuffer``."""
        np.random.seed(seed)  # noqa: NPY002  # the generator that SB3's buffers draw from
        env = DummyVecEnv([lambda: _SpacesOnly(observation_space, action_space, compute_reward)] * n_envs)
        strategy: dict[str, Any] = {"n_sampled_goal": n_sampled_goal, "goal_selection_strategy": "future"}
        buffer = HerReplayBuffer(
            capacity,
            observation_space,
            action_space,
            env,
            device="cpu",
            n_envs=n_envs,
            copy_info_dict=False,
            **strategy,
        )
        return SB3Replay(buffer)

    def random_shift(self, pixels: Array, *, pad: int, seed: int) -> Array:
        """Not offered."""
        raise RuntimeError("random_shift is not offered: do not claim Capability.RANDOM_SHIFT")

    def learn(self, make_env: Any, options: Any) -> Any:
        """Not offered."""
        raise RuntimeError("learn is not offered: do not claim Capability.LEARNING")

    def _sac(self, observation_space: spaces.Dict, action_space: spaces.Box, *, goal_mode: GoalMode, seed: int) -> SAC:
        env = DummyVecEnv([lambda: _SpacesOnly(observation_space, action_space)])
        return self.make_sac(env, goal_mode=goal_mode, seed=seed)


class SB3Agent:
    """Probe of an SB3 ``SAC``."""

    def __init__(self, agent: SAC) -> None:
        self.agent = agent
        agent.set_logger(Logger(None, []))
        agent.num_timesteps = 10**9  # beyond any warm-up
        self._target: torch.Tensor | None = None
        self._batch: Batch | None = None

    def parameters(self) -> dict[str, dict[str, Array]]:
        """By role: what of the critic is its features extractor is the encoder."""
        return {
            role: {name: tensor.detach().cpu().numpy().copy() for name, tensor in named.items()}
            for role, named in self._tensors().items()
        }

    def optimizers(self) -> dict[str, list[str]]:
        """By identity of the tensors."""
        names = {id(t): f"{role}/{name}" for role, named in self._tensors().items() for name, t in named.items()}
        optimizers = {"actor": self.agent.actor.optimizer, "critic": self.agent.critic.optimizer}
        return {
            name: [names.get(id(p), "unlisted") for group in optimizer.param_groups for p in group["params"]]
            for name, optimizer in optimizers.items()
        }

    def update_critic(self, batch: Batch) -> float:
        """``train`` with the actor's optimizer kept still."""
        return self._train(batch, "critic")

    def update_actor(self, batch: Batch, *, learning_rate: float | None = None) -> float:
        """``train`` with the critic's optimizer kept still."""
        schedule = self.agent.lr_schedule
        if learning_rate is not None:
            self.agent.lr_schedule = lambda _: learning_rate
        loss = self._train(batch, "actor")
        self.agent.lr_schedule = schedule
        return loss

    def update_target(self) -> None:
        """``train`` with both optimizers kept still."""
        assert self._batch is not None, "update_target comes after a step"
        self._train(self._batch, "target")

    def td_target(self, batch: Batch) -> Array:
        """What ``train`` regresses its critics on."""
        self._train(batch, "nothing")
        assert self._target is not None, "train() called no mse_loss"
        return self._target.detach().cpu().numpy().reshape(-1).copy()

    def act(self, observations: Observations, *, deterministic: bool) -> Array:
        """``predict``."""
        return self.agent.predict(dict(observations), deterministic=deterministic)[0]

    @torch.no_grad()
    def q_values(self, observations: Observations, actions: Array) -> Array:
        """All critics side by side."""
        tensors = {key: torch.as_tensor(value) for key, value in observations.items()}
        return torch.cat(self.agent.critic(tensors, torch.as_tensor(actions)), dim=1).numpy()

    def save(self, path: Path) -> None:
        """``SAC.save``."""
        self.agent.save(path)

    def _train(self, batch: Batch, part: str) -> float:
        self._batch = batch
        agent = self.agent
        still = [
            o for name, o in (("actor", agent.actor.optimizer), ("critic", agent.critic.optimizer)) if name != part
        ]
        tau, samples = agent.tau, _samples(batch)
        agent.tau = tau if part == "target" else 0.0
        buffer = mock.Mock(sample=lambda *_, **__: samples, size=lambda: len(batch.rewards))
        mse_loss = torch.nn.functional.mse_loss

        def observed(prediction: torch.Tensor, target: torch.Tensor, **options: Any) -> torch.Tensor:
            self._target = target
            return mse_loss(prediction, target, **options)

        with contextlib.ExitStack() as stack:
            for optimizer in still:
                stack.enter_context(mock.patch.object(optimizer, "step", return_value=None))
            stack.enter_context(mock.patch.object(agent, "replay_buffer", buffer))
            stack.enter_context(mock.patch("torch.nn.functional.mse_loss", observed))
            agent.train(gradient_steps=1, batch_size=len(batch.rewards))
        agent.tau = tau
        return float(agent.logger.name_to_value.get(f"train/{part}_loss", float("nan")))

    def _tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        def split(critic: Any) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
            encoder: dict[str, torch.Tensor] = dict(critic.features_extractor.named_parameters())
            return encoder, {n: p for n, p in critic.named_parameters() if not n.startswith("features_extractor.")}

        encoder, critic = split(self.agent.critic)
        target_encoder, target = split(self.agent.critic_target)
        shared = {id(parameter) for parameter in encoder.values()}
        actor: dict[str, torch.Tensor] = {n: p for n, p in self.agent.actor.named_parameters() if id(p) not in shared}
        roles: dict[str, dict[str, torch.Tensor]] = {"encoder": encoder, "actor": actor, "critic": critic}
        return {**roles, "target_encoder": target_encoder, "target_critic": target}


class SB3Encoder:
    """Probe of the critic's features extractor."""

    def __init__(self, agent: SAC) -> None:
        self.agent = agent
        self.extractor = agent.critic.features_extractor

    @torch.no_grad()
    def features(self, observations: Observations) -> Array:
        """Preprocessed as SB3 does."""
        tensors = {key: torch.as_tensor(value) for key, value in observations.items()}
        return self.extractor(preprocess_obs(tensors, self.agent.observation_space)).numpy()  # type: ignore[no-any-return]

    def network_input(self, pixels: Array) -> Array:
        """What the first convolution receives."""
        received: list[torch.Tensor] = []
        first = next(module for module in self.extractor.modules() if isinstance(module, torch.nn.Conv2d))
        handle = first.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0]))
        space: spaces.Dict = self.agent.observation_space  # type: ignore[assignment]
        vectors = {k: np.zeros((len(pixels), *(box.shape or ()))) for k, box in space.items() if k != "pixels"}
        self.features({"pixels": pixels, **vectors})
        handle.remove()
        return received[0].numpy()


class SB3Replay:
    """Probe of an SB3 ``HerReplayBuffer``."""

    def __init__(self, buffer: HerReplayBuffer) -> None:
        self.buffer = buffer

    def add(
        self,
        observations: Observations,
        next_observations: Observations,
        actions: Array,
        rewards: Array,
        terminated: Array,
        truncated: Array,
    ) -> None:
        """In SB3's words: done, and ``TimeLimit.truncated``."""
        infos = [{"TimeLimit.truncated": bool(cut and not end)} for end, cut in zip(terminated, truncated, strict=True)]
        done = np.asarray(terminated) | np.asarray(truncated)
        self.buffer.add(dict(observations), dict(next_observations), actions, rewards, done, infos)

    def sample(self, batch_size: int) -> Batch:
        """As arrays."""
        drawn = self.buffer.sample(batch_size)
        return Batch(
            observations={key: value.numpy() for key, value in drawn.observations.items()},
            actions=drawn.actions.numpy(),
            next_observations={key: value.numpy() for key, value in drawn.next_observations.items()},
            rewards=drawn.rewards.numpy()[:, 0],
            terminated=drawn.dones.numpy()[:, 0],
        )

    def size(self) -> int:
        """Transitions of complete episodes."""
        return int((self.buffer.ep_length > 0).sum())

    def nbytes(self) -> int:
        """Observations and next observations, mostly."""
        stored = [*self.buffer.observations.values(), *self.buffer.next_observations.values()]
        return int(sum(array.nbytes for array in stored))

    def save(self, path: Path) -> None:
        """SB3 pickles it."""
        import pickle

        path.write_bytes(pickle.dumps(self.buffer))

    def load(self, path: Path) -> None:
        """SB3 unpickles it."""
        import pickle

        env = self.buffer.env
        self.buffer = pickle.loads(path.read_bytes())
        self.buffer.set_env(env)  # type: ignore[arg-type]
        self.buffer.truncate_last_trajectory()


class _SpacesOnly(gym.Env[Any, Any]):
    """Spaces, and a reward, of an environment that is not there."""

    def __init__(
        self, observation_space: spaces.Dict, action_space: spaces.Box, compute_reward: RewardFunction | None = None
    ) -> None:
        self.observation_space, self.action_space, self.reward = observation_space, action_space, compute_reward

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: Any) -> Any:
        """The one given."""
        assert self.reward is not None
        return self.reward(achieved_goal, desired_goal, info)


_GOAL = spaces.Box(-np.inf, np.inf, (3,), np.float64)
_ANY_SPACE = spaces.Dict(
    {"pixels": spaces.Box(0, 255, (3, 36, 36), np.uint8), "achieved_goal": _GOAL, "desired_goal": _GOAL}
)


def _samples(batch: Batch) -> DictReplayBufferSamples:
    def tensors(arrays: dict[str, Array]) -> dict[str, torch.Tensor]:
        return {key: torch.as_tensor(value) for key, value in arrays.items()}

    return DictReplayBufferSamples(
        observations=tensors(batch.observations),
        actions=torch.as_tensor(batch.actions, dtype=torch.float32),
        next_observations=tensors(batch.next_observations),
        dones=torch.as_tensor(batch.terminated, dtype=torch.float32)[:, None],
        rewards=torch.as_tensor(batch.rewards, dtype=torch.float32)[:, None],
    )
