"""The peer: the chapter's pipeline from public parts, as plainly as the chapter describes it.

The library's ``render()`` at 480x480, PIL to 84x84, stacks of 4 frames, SB3's ``SubprocVecEnv``, SB3's
``HerReplayBuffer`` (its ``DictReplayBuffer`` stores both stacks of a transition), and stock ``SAC.train()`` with the
encoder in the critic's optimizer. Nothing here is tuned against it: SB3's rewards come from an env in the same process,
and the software renderer keeps its threads (one thread a worker takes the same CPU time a step).
"""

from __future__ import annotations

import contextlib
import io
from collections import deque
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from PIL import Image
from stable_baselines3 import SAC
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer
from stable_baselines3.sac.policies import Actor, MultiInputPolicy
from visual_her.encoders import ManipulationExtractor
from visual_her.rendering import choose_backend

FRAMES = 4
GOALS = ("achieved_goal", "desired_goal")
PROPRIOCEPTION = (0, 1, 2, 9, 10, 20, 21, 22, 23, 24)

Observation = dict[str, npt.NDArray[Any]]


class ChapterEnv(gym.Wrapper[Observation, Any, Observation, Any]):
    """FetchPush through the library's camera: 480x480, resized by PIL (chapter section 9.9).

    Args:
        image_size: side of a frame in pixels.
    """

    def __init__(self, image_size: int = 84) -> None:
        with contextlib.redirect_stderr(io.StringIO()):  # a notice about hand environments that nobody asked for
            import gymnasium_robotics

            gym.register_envs(gymnasium_robotics)
        super().__init__(gym.make("FetchPush-v4", render_mode="rgb_array"))
        self._size = (image_size, image_size)
        self._frames: deque[npt.NDArray[np.uint8]] = deque(maxlen=FRAMES)
        self.observation_space = observation_space(image_size)  # type: ignore[assignment]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """The first frame fills the stack."""
        state, info = self.env.reset(seed=seed, options=options)
        self._frames.extend([self._picture()] * FRAMES)
        return self._observe(state), info

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One frame a step."""
        state, reward, terminated, truncated, info = self.env.step(action)
        self._frames.append(self._picture())
        return self._observe(state), float(reward), terminated, truncated, info

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """The task's; SB3's HER calls it."""
        return self.env.get_wrapper_attr("compute_reward")(achieved_goal, desired_goal, info)

    def _picture(self) -> npt.NDArray[np.uint8]:
        picture = Image.fromarray(np.asarray(self.env.render()))
        return np.asarray(picture.resize(self._size, Image.Resampling.BILINEAR)).transpose(2, 0, 1)  # (3, H, W)

    def _observe(self, state: Observation) -> Observation:
        vectors = {key: state[key] for key in GOALS}
        proprioception = state["observation"][list(PROPRIOCEPTION)]
        return {"pixels": np.concatenate(self._frames), "proprioception": proprioception, **vectors}


def observation_space(image_size: int = 84) -> spaces.Dict:
    """Pixels (12, image_size, image_size) uint8, proprioception (10,), both goals (3,)."""
    vectors = {"proprioception": 10, "achieved_goal": 3, "desired_goal": 3}
    boxes: dict[str, spaces.Space[Any]] = {
        "pixels": spaces.Box(0, 255, (3 * FRAMES, image_size, image_size), np.uint8),
        **{key: spaces.Box(-np.inf, np.inf, (size,), np.float64) for key, size in vectors.items()},
    }
    return spaces.Dict(boxes)


def chapter_vec_env(n_envs: int) -> VecEnv:
    """``n_envs`` tasks in SB3's worker processes."""
    choose_backend()  # leaves MUJOCO_GL to the workers; the chapter exports it
    return SubprocVecEnv([ChapterEnv] * n_envs, start_method="spawn")


def chapter_buffer(transitions: int, *, image_size: int, n_envs: int) -> HerReplayBuffer:
    """SB3's HER replay with the chapter's k = 8; the rewards come from an env in this process, its fastest way."""
    make: Callable[[], gym.Env[Any, Any]] = lambda: ChapterEnv(image_size)  # noqa: E731
    env = DummyVecEnv([make])
    space: spaces.Dict = env.observation_space  # type: ignore[assignment]
    return HerReplayBuffer(transitions, space, env.action_space, env, device="cpu", n_envs=n_envs, n_sampled_goal=8)


def buffer_nbytes(buffer: HerReplayBuffer) -> int:
    """Bytes of its arrays, which NumPy allocates page by page as they are filled."""
    arrays = [*buffer.observations.values(), *buffer.next_observations.values(), buffer.actions, buffer.rewards]
    arrays += [buffer.dones, buffer.timeouts, buffer.ep_start, buffer.ep_length]
    return sum(array.nbytes for array in arrays)


class ChapterCritic(ContinuousCritic):
    """Q-networks that send gradients into the shared encoder, whatever loss asks (chapter section 9.6)."""

    def forward(self, obs: PyTorchObs, actions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Q-values (B, 1) of each critic."""
        features = self.extract_features(obs, self.features_extractor)
        return tuple(q_network(torch.cat([features, actions], dim=1)) for q_network in self.q_networks)


class ChapterActor(Actor):
    """A policy that reads the shared encoder's features detached."""

    def extract_features(self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor) -> torch.Tensor:
        """(B, F)."""
        return super().extract_features(obs, features_extractor).detach()


class ChapterPolicy(MultiInputPolicy):
    """SB3's policy with the encoder moved from the actor's optimizer to the critic's."""

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        encoder = {id(parameter) for parameter in self.critic.features_extractor.parameters()}
        head = [parameter for parameter in self.actor.parameters() if id(parameter) not in encoder]
        self.actor.optimizer = torch.optim.Adam(head, lr=lr_schedule(1))
        self.critic.optimizer = torch.optim.Adam(self.critic.parameters(), lr=lr_schedule(1))

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """A ``ChapterActor``."""
        return ChapterActor(**self._update_features_extractor(self.actor_kwargs, features_extractor)).to(self.device)

    def make_critic(self, features_extractor: BaseFeaturesExtractor | None = None) -> ContinuousCritic:
        """A ``ChapterCritic``."""
        arguments = self._update_features_extractor(self.critic_kwargs, features_extractor)
        return ChapterCritic(**arguments).to(self.device)


def chapter_agent(image_size: int = 84, device: str = "cpu") -> SAC:
    """Stock ``SAC`` with the recipe's hyperparameters, untrained."""
    make: Callable[[], gym.Env[Any, Any]] = lambda: ChapterEnv(image_size)  # noqa: E731
    return SAC(
        ChapterPolicy,
        DummyVecEnv([make]),
        learning_rate=1e-4,
        gamma=0.95,
        tau=0.005,
        ent_coef=0.05,
        buffer_size=1,
        policy_kwargs={
            "net_arch": [256, 256],
            "features_extractor_class": ManipulationExtractor,
            "share_features_extractor": True,
        },
        device=device,
        seed=0,
    )
