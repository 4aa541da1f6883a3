"""What an implementation offers to be held to the specification: factories, and probes with NumPy in and out.

No framework is assumed and nothing is subclassed. A probe tells what cannot be seen from outside; what may
legitimately differ between implementations is declared in ``Implementation.capabilities``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol

import gymnasium as gym
import numpy.typing as npt

Array = npt.NDArray[Any]
Observations = Mapping[str, Array]
RewardFunction = Callable[[Array, Array, Any], Any]
Policy = Callable[[Observations], Array]
GoalMode = Literal["none", "desired", "both"]


class Capability(StrEnum):
    """What an implementation claims beyond the core. Declared is tested, undeclared is reported as not claimed."""

    CRITIC_ENCODER = "critic-encoder"
    """One encoder, trained by the critic's loss only; the actor reads detached features."""
    TARGET_ENCODER = "target-encoder"
    """The target critic owns a copy of the encoder that follows by Polyak averaging."""
    SPATIAL_SOFTMAX = "spatial-softmax"
    """The encoder ends in expected image coordinates."""
    FLATTEN = "flatten"
    """The encoder can end in a flattened map and a linear layer instead."""
    GOAL_MODES = "goal-modes"
    """The networks can be kept from goals that HER needs, by ``goal_mode``."""
    RANDOM_SHIFT = "random-shift"
    """DrQ's augmentation."""
    FRAME_DEDUPLICATION = "frame-deduplication"
    """Replay stores each frame once."""
    MUJOCO_CAMERA = "mujoco-camera"
    """The wrapper draws MuJoCo tasks with the cameras ``default`` and ``table`` and a marker that can be hidden."""
    LEARNING = "learning"
    """``learn`` trains an agent from scratch."""
    TRAINING = "training"
    """``train`` and ``evaluate``: whole runs with checkpoints that can be resumed."""
    BELIEF = "belief"
    """A second kind of agent: relabelled rewards teach its encoder, actor and critics read a belief over frames."""
    N_STEP = "n-step"
    """Replay sums up several rewards of one goal before it bootstraps, ``make_replay(..., n_steps=3, gamma=...)``."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Transitions, batch first.

    Attributes:
        observations: pixels uint8 (B, C, H, W) and vectors (B, n).
        actions: (B, A) in [-1, 1].
        next_observations: like ``observations``.
        rewards: (B,).
        terminated: (B,), 1.0 where the task ended; a truncation is 0.0.
        discounts: (B,), what the next value is multiplied by: gamma to the power of the steps between the two
            observations, of ``Capability.N_STEP``. ``None`` stands for one step, and gamma.
    """

    observations: dict[str, Array]
    actions: Array
    next_observations: dict[str, Array]
    rewards: Array
    terminated: Array
    discounts: Array | None = None


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a success classifier learns from.

    Attributes:
        frames: uint8 (B, 3, H, W), the newest frame of an instant.
        goals: (B, G, D), in the task's units.
        reached: (B, G), 1.0 where the task's reward for that instant and goal is that of success, else 0.0.
    """

    frames: Array
    goals: Array
    reached: Array


@dataclass(frozen=True, kw_only=True)
class LearnOptions:
    """One learning experiment.

    Attributes:
        total_steps: env steps.
        seed: of everything.
        goal_mode: which goal vectors the networks see.
        hindsight: whether goals are relabelled.
        train_encoder: whether the encoder is trained at all.
        image_size: side of the pixels.
    """

    total_steps: int
    seed: int
    goal_mode: GoalMode = "desired"
    hindsight: bool = True
    train_encoder: bool = True
    image_size: int = 16


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """One training run.

    Attributes:
        env_id: gymnasium's name of the task, in the form ``module:Name-v0``, which ``gymnasium.make`` takes.
        total_steps: env steps to reach in total, also by a run that is resumed.
        learning_starts: env steps before the first update.
        update_to_data: updates of each loss an env step, at least 0.5; the number of environments is free, up to 4.
        checkpoint_freq: env steps between checkpoints.
        seed: of everything.
        image_size: side of the pixels.
        camera: ``default``, or ``table`` where ``Capability.MUJOCO_CAMERA`` is claimed.
        belief: the kind of agent of ``Capability.BELIEF``, where it is claimed.
    """

    env_id: str
    total_steps: int
    learning_starts: int
    update_to_data: float
    checkpoint_freq: int
    seed: int
    image_size: int
    camera: str = "default"
    belief: bool = False


class EncoderProbe(Protocol):
    """An image encoder for one image shape."""

    def network_input(self, pixels: Array) -> Array:
        """What the first layer receives for uint8 pixels (B, C, H, W)."""

    def feature_map(self, pixels: Array) -> Array:
        """uint8 (B, C, H, W) -> (B, F, h, w), what the keypoints are taken from."""

    def keypoints(self, feature_map: Array, temperature: float | None = None) -> Array:
        """(B, F, h, w) -> (B, F, 2), the expected (x, y) on [-1, 1]; at the initial temperature if ``None``."""

    def features(self, observations: Observations) -> Array:
        """uint8 pixels and vectors, batched -> (B, features)."""


class AgentProbe(Protocol):
    """An actor-critic agent. ``role`` is one of encoder, actor, critic, target_encoder, target_critic.

    The updates and the TD target take the batch as it is: augmentation belongs to the replay. Parameters of the target
    roles have the names of their online twins.
    """

    def parameters(self) -> dict[str, dict[str, Array]]:
        """Copies of all trained and target parameters: role -> name -> array."""

    def optimizers(self) -> dict[str, list[str]]:
        """Which optimizer holds which parameter: optimizer -> ``role/name``, in the words of ``parameters``."""

    def update_critic(self, batch: Batch) -> float:
        """One critic step; returns the loss."""

    def update_actor(self, batch: Batch, *, learning_rate: float | None = None) -> float:
        """One actor step, at another learning rate if given; returns the loss."""

    def update_target(self) -> None:
        """One Polyak step of the target."""

    def td_target(self, batch: Batch) -> Array:
        """The critic's regression target, (B,)."""

    def act(self, observations: Observations, *, deterministic: bool) -> Array:
        """Batched observations -> actions (B, A)."""

    def q_values(self, observations: Observations, actions: Array) -> Array:
        """The online critics, (B, number of critics)."""

    def save(self, path: Path) -> None:
        """Writes everything that ``Implementation.load_agent`` needs."""


class ReplayProbe(Protocol):
    """A replay buffer with hindsight."""

    def add(
        self,
        observations: Observations,
        next_observations: Observations,
        actions: Array,
        rewards: Array,
        terminated: Array,
        truncated: Array,
    ) -> None:
        """One transition of each env, env first. ``next_observations`` are the true ones, also at an episode's end."""

    def sample(self, batch_size: int) -> Batch:
        """A batch."""

    def size(self) -> int:
        """Transitions that can be sampled."""

    def nbytes(self) -> int:
        """Bytes that the storage takes."""

    def save(self, path: Path) -> None:
        """Writes the contents."""

    def load(self, path: Path) -> None:
        """Reads what another buffer of the same make wrote."""


class BeliefProbe(Protocol):
    """An agent of ``Capability.BELIEF`` with its replay, for several environments side by side."""

    def parameters(self) -> dict[str, dict[str, Array]]:
        """Copies of all trained and target parameters, as ``AgentProbe``: at least encoder, actor and critic.

        ``encoder`` is whatever the classifier's loss trains, and whatever turns a frame into an estimate. An average of
        its weights that is kept for acting is left out.
        """

    def add(
        self,
        observations: Observations,
        next_observations: Observations,
        actions: Array,
        rewards: Array,
        terminated: Array,
        truncated: Array,
    ) -> None:
        """One transition of each env, as ``ReplayProbe.add``."""

    def refresh(self) -> None:
        """Computes the belief of every stored instant anew, with what the encoder sees now."""

    def sample(self, batch_size: int) -> Batch:
        """A batch, whose observations have ``belief`` (B, D)."""

    def sample_lesson(self, batch_size: int, *, shift: bool = True) -> Lesson:
        """What the encoder learns from next; without DrQ's shift if ``shift`` is false."""

    def update_encoder(self, lesson: Lesson) -> float:
        """One step of the classifier's loss; returns it. What sees afterwards has taken it in."""

    def update_agent(self, batch: Batch) -> None:
        """One step each of critics, actor and target."""

    def estimates(self, frames: Array) -> Array:
        """uint8 (N, 3, H, W) -> (N, D): what each frame shows by itself."""

    def beliefs(self, frames: Array, starts: Array) -> Array:
        """The beliefs of acting, in order.

        Args:
            frames: uint8 (T, n_envs, 3, H, W).
            starts: (T, n_envs), where an episode starts.

        Returns:
            (T, n_envs, D).
        """

    def act(self, observations: Observations) -> Array:
        """The mean actions (B, A) for batched observations with ``belief``."""


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What a training run left.

    Attributes:
        checkpoints: env steps -> a file that ``load_agent`` reads, those of earlier sessions of the run included.
        updates: critic updates in all, those of earlier sessions included.
        agent: the trained agent as it is in memory.
    """

    checkpoints: Mapping[int, Path]
    updates: int
    agent: AgentProbe


class Implementation(Protocol):
    """An implementation of visual HER.

    Attributes:
        name: shown in reports.
        version: shown in reports.
        capabilities: what it claims.
        tau: Polyak coefficient of agents that ``make_agent`` makes.
        gamma: their discount.
        entropy_coefficient: their fixed entropy coefficient.
    """

    name: str
    version: str
    capabilities: frozenset[Capability]
    tau: float
    gamma: float
    entropy_coefficient: float

    def make_env(
        self,
        task: gym.Env[Any, Any],
        *,
        goal_mode: GoalMode = "both",
        frame_stack: int = 4,
        image_size: int = 84,
        camera: str = "default",
        goal_marker: str = "visible",
        render_size: int | None = None,
    ) -> gym.Env[Any, Any]:
        """The pixel wrapper around a goal-conditioned task that renders ``rgb_array`` frames or is a MuJoCo one."""

    def make_encoder(
        self,
        observation_space: gym.spaces.Dict,
        *,
        variant: Literal["spatial-softmax", "flatten"] = "spatial-softmax",
        goal_mode: GoalMode = "both",
        seed: int = 0,
    ) -> EncoderProbe:
        """An untrained encoder."""

    def make_agent(
        self,
        observation_space: gym.spaces.Dict,
        action_space: gym.spaces.Box,
        *,
        goal_mode: GoalMode = "both",
        seed: int = 0,
    ) -> AgentProbe:
        """An untrained agent with the routing it claims."""

    def load_agent(self, path: Path) -> AgentProbe:
        """The agent that ``AgentProbe.save`` or ``train`` wrote."""

    def make_replay(
        self,
        observation_space: gym.spaces.Dict,
        action_space: gym.spaces.Box,
        *,
        capacity: int,
        n_envs: int,
        n_sampled_goal: int,
        compute_reward: RewardFunction,
        episode_length: int,
        drq_pad: int = 0,
        seed: int = 0,
        n_steps: int = 1,
        gamma: float = 0.95,
    ) -> ReplayProbe:
        """An empty buffer for ``capacity`` transitions in episodes of ``episode_length`` steps.

        ``n_steps`` and ``gamma`` are given where ``Capability.N_STEP`` is claimed, and only there.
        """

    def make_belief_agent(
        self,
        observation_space: gym.spaces.Dict,
        action_space: gym.spaces.Box,
        *,
        n_envs: int,
        compute_reward: RewardFunction,
        episode_length: int,
        seed: int = 0,
    ) -> BeliefProbe:
        """An untrained agent of ``Capability.BELIEF``, where it is claimed, with room for 20 episodes an env."""

    def random_shift(self, pixels: Array, *, pad: int, seed: int) -> Array:
        """DrQ's augmentation of uint8 pixels (B, C, H, W)."""

    def learn(self, make_env: Callable[[], gym.Env[Any, Any]], options: LearnOptions) -> Policy:
        """Trains from scratch; returns the deterministic policy, one unbatched observation to one action.

        ``make_env`` makes wrapped environments with both goals in their observations, with a time limit.
        """

    def train(self, options: TrainOptions, folder: Path, *, resume: Path | None = None) -> TrainingRun:
        """Trains, with whatever normalisation of inputs it has, and leaves its files in ``folder``.

        With ``resume``, one of its own checkpoints, it goes on from there.
        """

    def evaluate(self, checkpoint: Path, *, n_episodes: int, seed: int) -> float:
        """The success rate of the deterministic policy on new episodes of the task that it was trained on."""
