"""An agent shaped like DrQ-v2 (Yarats et al. 2022, arXiv:2107.09645), from the paper's description, with HER beside it.

No target encoder, no entropy, a fixed exploration noise, a trunk in actor and critic each, an optimizer for the encoder
alone, a shift by ``grid_sample``, and a replay that stores whole stacks twice.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor, nn
from visual_her_spec.protocol import Array, Batch, Capability, GoalMode, Observations, RewardFunction

from alternatives.from_scratch import MujocoCamera

GAMMA, TAU, LEARNING_RATE = 0.99, 0.01, 1e-4
NOISE, NOISE_CLIP = 0.2, 0.3
TRUNK, HIDDEN = 50, 128
GOALS: dict[GoalMode, tuple[str, ...]] = {
    "none": (),
    "desired": ("desired_goal",),
    "both": ("achieved_goal", "desired_goal"),
}
ROBOT = [0, 1, 2, 9, 10, 20, 21, 22, 23, 24]  # what of a Fetch task's 25-D state does not tell where the object is


class PixelStack(gym.Wrapper[Any, Any, Any, Any]):
    """Shows a goal-conditioned task as a stack of its last frames, proprioception and the goals of ``goal_mode``."""

    def __init__(
        self, task: gym.Env[Any, Any], *, goal_mode: GoalMode = "both", frame_stack: int = 4, image_size: int = 84
    ) -> None:
        super().__init__(task)
        self.goals, self.size = GOALS[goal_mode], image_size
        self.robot = ROBOT if getattr(task.unwrapped, "has_object", False) else slice(None)
        self.stack = np.zeros((3 * frame_stack, image_size, image_size), np.uint8)
        self.camera = MujocoCamera(task.unwrapped, image_size) if hasattr(task.unwrapped, "model") else None
        given: Any = task.observation_space
        n_robot = len(np.zeros(given["observation"].shape)[self.robot])
        self.observation_space = spaces.Dict(
            {
                "pixels": spaces.Box(0, 255, self.stack.shape, np.uint8),
                "proprioception": spaces.Box(-np.inf, np.inf, (n_robot,), np.float64),
                **{key: spaces.Box(-np.inf, np.inf, given[key].shape, np.float64) for key in self.goals},
            }
        )

    def reset(self, **options: Any) -> tuple[dict[str, Array], dict[str, Any]]:
        """The first frame fills the stack."""
        state, info = self.env.reset(**options)
        self.stack[:] = np.tile(self._frame(), (len(self.stack) // 3, 1, 1))
        return self._observe(state), info

    def step(self, action: Any) -> tuple[dict[str, Array], Any, bool, bool, dict[str, Any]]:
        """The newest frame comes last."""
        state, *outcome = self.env.step(action)
        self.stack = np.concatenate([self.stack[3:], self._frame()])
        return self._observe(state), *outcome  # type: ignore[return-value]

    def close(self) -> None:
        """Closes the camera, too."""
        if self.camera is not None:
            self.camera.close()
        super().close()

    def _observe(self, state: Mapping[str, Array]) -> dict[str, Array]:
        vectors = {"proprioception": state["observation"][self.robot], **{key: state[key] for key in self.goals}}
        return {"pixels": self.stack.copy(), **{key: np.array(value, np.float64) for key, value in vectors.items()}}

    def _frame(self) -> Array:
        """(3, size, size)."""
        picture = self.env.render() if self.camera is None else self.camera.draw()
        if np.shape(picture) != (self.size, self.size, 3):
            raise ValueError(f"the task draws {np.shape(picture)}: let it draw ({self.size}, {self.size}, 3)")
        return np.asarray(picture).transpose(2, 0, 1)


class Encoder(nn.Module):
    """Four 3x3 convolutions without padding, of strides 2, 1, 1 and 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, stride in ((channels, 2), (32, 1), (32, 1), (32, 1)):
            layers += [nn.Conv2d(inputs, 32, 3, stride), nn.ReLU()]
        self.convs = nn.Sequential(*layers)

    @staticmethod
    def scaled(pixels: Tensor) -> Tensor:
        """Uint8 to [-0.5, 0.5]."""
        return pixels.float() / 255 - 0.5

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 (B, C, H, W) -> (B, 32 * h * w)."""
        features: Tensor = self.convs(self.scaled(pixels)).flatten(1)
        return features


def _trunk(n_features: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_features, TRUNK), nn.LayerNorm(TRUNK), nn.Tanh())


def _mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
    )


class Actor(nn.Module):
    """Features and vectors to the mean action."""

    def __init__(self, n_features: int, n_vectors: int, n_actions: int) -> None:
        super().__init__()
        self.trunk, self.policy = _trunk(n_features), _mlp(TRUNK + n_vectors, n_actions)

    def forward(self, features: Tensor, vectors: Tensor) -> Tensor:
        """-> (B, A) in [-1, 1]."""
        return torch.tanh(self.policy(torch.cat([self.trunk(features), vectors], dim=1)))


class Critic(nn.Module):
    """Features, vectors and actions to two values, behind one trunk."""

    def __init__(self, n_features: int, n_vectors: int, n_actions: int) -> None:
        super().__init__()
        self.trunk = _trunk(n_features)
        self.q1, self.q2 = (_mlp(TRUNK + n_vectors + n_actions, 1) for _ in range(2))

    def forward(self, features: Tensor, vectors: Tensor, actions: Tensor) -> Tensor:
        """-> (B, 2)."""
        inputs = torch.cat([self.trunk(features), vectors, actions], dim=1)
        return torch.cat([self.q1(inputs), self.q2(inputs)], dim=1)


class Agent:
    """DrQ-v2's update: the critic's loss trains encoder and critic, the actor reads detached features."""

    def __init__(self, pixels: tuple[int, ...], vectors: dict[str, int], n_actions: int, seed: int) -> None:
        self.sizes = {"pixels": pixels, "vectors": vectors, "n_actions": n_actions}
        self.noise = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = Encoder(pixels[0])
            n_features = encoder(torch.zeros(1, *pixels)).shape[1]
            heads = n_features, sum(vectors.values()), n_actions
            self.encoder, self.actor, self.critic = encoder, Actor(*heads), Critic(*heads)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self._optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
            for name, network in self._networks().items()
            if name != "target_critic"
        }

    def update_critic(self, batch: Batch) -> float:
        """One step of critic and encoder."""
        target = self._td_target(batch)
        values = self.critic(*self._inputs(batch.observations), torch.as_tensor(batch.actions))
        loss = F.mse_loss(values[:, 0], target) + F.mse_loss(values[:, 1], target)
        for name in ("encoder", "critic"):
            self._optimizers[name].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for name in ("encoder", "critic"):
            self._optimizers[name].step()
        return loss.item()

    def update_actor(self, batch: Batch, *, learning_rate: float | None = None) -> float:
        """One step of the actor, which leaves gradients in the critic for ``update_critic`` to clear."""
        optimizer = self._optimizers["actor"]
        features, vectors = self._inputs(batch.observations)
        features = features.detach()
        actions = self._noisy(self.actor(features, vectors), NOISE_CLIP)
        loss = -self.critic(features, vectors, actions).min(dim=1).values.mean()
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE if learning_rate is None else learning_rate
        optimizer.step()
        return float(loss.item())

    @torch.no_grad()
    def update_target(self) -> None:
        """Polyak; the encoder has no target."""
        for target, online in zip(self.target_critic.parameters(), self.critic.parameters(), strict=True):
            target.lerp_(online, TAU)

    def td_target(self, batch: Batch) -> Array:
        """(B,)."""
        return self._td_target(batch).numpy()

    @torch.no_grad()
    def act(self, observations: Observations, *, deterministic: bool) -> Array:
        """The mean, or with exploration noise."""
        mean = self.actor(*self._inputs(observations))
        return (mean if deterministic else self._noisy(mean)).numpy()  # type: ignore[no-any-return]

    @torch.no_grad()
    def q_values(self, observations: Observations, actions: Array) -> Array:
        """(B, 2)."""
        return self.critic(*self._inputs(observations), torch.as_tensor(actions)).numpy()  # type: ignore[no-any-return]

    def network_input(self, pixels: Array) -> Array:
        """Scaled."""
        return self.encoder.scaled(torch.as_tensor(pixels)).numpy()

    @torch.no_grad()
    def features(self, observations: Observations) -> Array:
        """What the heads receive: the encoder's features, and the vectors that are put beside each trunk's output."""
        return torch.cat(self._inputs(observations), dim=1).numpy()

    def parameters(self) -> dict[str, dict[str, Array]]:
        """A role is a network."""
        return {
            role: {name: parameter.detach().numpy().copy() for name, parameter in network.named_parameters()}
            for role, network in self._networks().items()
        }

    def optimizers(self) -> dict[str, list[str]]:
        """By identity of the tensors."""
        names = {id(p): f"{role}/{n}" for role, net in self._networks().items() for n, p in net.named_parameters()}
        return {
            name: [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
            for name, optimizer in self._optimizers.items()
        }

    def save(self, path: Path) -> None:
        """Networks, optimizers, and the state of the noise."""
        networks = {name: network.state_dict() for name, network in self._networks().items()}
        optimizers = {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}
        noise = self.noise.get_state()
        torch.save({"sizes": self.sizes, "networks": networks, "optimizers": optimizers, "noise": noise}, path)

    @classmethod
    def load(cls, path: Path) -> Agent:
        """What ``save`` wrote."""
        saved = torch.load(path, weights_only=True)
        agent = cls(**saved["sizes"], seed=0)
        for name, network in agent._networks().items():
            network.load_state_dict(saved["networks"][name])
        for name, optimizer in agent._optimizers.items():
            optimizer.load_state_dict(saved["optimizers"][name])
        agent.noise.set_state(saved["noise"])
        return agent

    @torch.no_grad()
    def _td_target(self, batch: Batch) -> Tensor:
        features, vectors = self._inputs(batch.next_observations)
        actions = self._noisy(self.actor(features, vectors), NOISE_CLIP)
        value = self.target_critic(features, vectors, actions).min(dim=1).values
        return torch.as_tensor(batch.rewards) + GAMMA * (1 - torch.as_tensor(batch.terminated)) * value

    def _noisy(self, mean: Tensor, clip: float = np.inf) -> Tensor:
        """Truncated normal noise; where an action is cut off at 1, the mean keeps its gradient."""
        noise = (NOISE * torch.randn(mean.shape, generator=self.noise)).clamp(-clip, clip)
        return mean + ((mean + noise).clamp(-1, 1) - mean).detach()

    def _inputs(self, observations: Observations) -> tuple[Tensor, Tensor]:
        return self.encoder(torch.as_tensor(observations["pixels"])), _vectors(observations, self.sizes["vectors"])

    def _networks(self) -> dict[str, nn.Module]:
        return {role: getattr(self, role) for role in ("encoder", "actor", "critic", "target_critic")}


def _vectors(observations: Observations, names: Any) -> Tensor:
    """(B, n)."""
    return torch.cat([torch.as_tensor(observations[name], dtype=torch.float32) for name in names], dim=1)


def random_shift(pixels: Array, pad: int, generator: torch.Generator) -> Array:
    """Square uint8 (B, C, H, H), each shifted by up to ``pad`` pixels; what comes in repeats the border."""
    batch, _, height, width = pixels.shape
    if height != width:
        raise ValueError(f"images of {height}x{width} cannot be shifted: make them square")
    shifts = torch.randint(-pad, pad + 1, (batch, 1, 1, 2), generator=generator)
    centres = (2 * torch.arange(width) + 1) / width - 1
    grid = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=-1) + 2 * shifts / width  # (B, H, W, xy)
    images = torch.as_tensor(pixels.astype(np.float32))
    shifted = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return shifted.round().to(torch.uint8).numpy()


class Replay:
    """Transitions in flat circular arrays, one after the other: slot = step * n_envs + env, modulo their length."""

    def __init__(
        self, space: spaces.Dict, action_space: spaces.Box, *, capacity: int, n_envs: int, n_sampled_goal: int,
        compute_reward: RewardFunction, episode_length: int, drq_pad: int = 0, seed: int = 0,
    ) -> None:  # fmt: skip
        self.n_envs, self.slots = n_envs, capacity // n_envs * n_envs  # any episode_length will do
        self.share, self.pad, self.reward = n_sampled_goal / (n_sampled_goal + 1), drq_pad, compute_reward
        self.rng, self.shifts = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self.now, self.next = (
            {key: np.zeros((self.slots, *(box.shape or ())), box.dtype) for key, box in space.items()} for _ in range(2)
        )
        self.actions = np.zeros((self.slots, *action_space.shape), np.float32)
        self.rewards, self.terminated = np.zeros((2, self.slots), np.float32)
        self.steps = np.zeros(self.slots, np.int64)
        self.ends = np.zeros(self.slots, np.int64)  # the step after the episode's last, 0 while that is unknown
        self.step, self.starts = 0, np.zeros(n_envs, np.int64)  # of the episodes under way

    def add(
        self, observations: Observations, next_observations: Observations, actions: Array, rewards: Array,
        terminated: Array, truncated: Array,
    ) -> None:  # fmt: skip
        """Writes one slot an env, and closes the episodes that are over."""
        slots, previous = (self._slot(step, np.arange(self.n_envs)) for step in (self.step, self.step - 1))
        for key, stored in self.next.items():
            same = stored[previous] == np.asarray(observations[key], stored.dtype)
            self.starts[~same.reshape(self.n_envs, -1).all(axis=1)] = (
                self.step
            )  # reset without a done: that episode stays open for ever
        for key in self.now:
            self.now[key][slots], self.next[key][slots] = observations[key], next_observations[key]
        self.actions[slots], self.rewards[slots], self.terminated[slots] = actions, rewards, terminated
        self.steps[slots], self.ends[slots] = self.step, 0
        for env in np.flatnonzero(np.asarray(terminated) | np.asarray(truncated)):
            first = max(self.starts[env], self.step + 1 - self.slots // self.n_envs)
            self.ends[self._slot(np.arange(first, self.step + 1), env)] = self.step + 1
            self.starts[env] = self.step + 1
        self.step += 1

    def sample(self, batch_size: int) -> Batch:
        """Uniform over complete episodes, k / (k + 1) of it with a goal that its episode achieved later."""
        complete = np.flatnonzero(self.ends)
        if not len(complete):
            raise ValueError("no episode is complete yet: sample later")
        slots = self.rng.choice(complete, batch_size)
        now, after = ({key: stored[slots] for key, stored in side.items()} for side in (self.now, self.next))
        rewards, rows = self.rewards[slots], np.flatnonzero(self.rng.random(batch_size) < self.share)
        if len(rows):
            later = self.rng.integers(self.steps[slots[rows]], self.ends[slots[rows]])
            goals = self.next["achieved_goal"][self._slot(later, slots[rows] % self.n_envs)]
            now["desired_goal"][rows] = after["desired_goal"][rows] = goals
            rewards[rows] = self.reward(after["achieved_goal"][rows], goals, {})
        if self.pad:
            for side in (now, after):
                side["pixels"] = random_shift(side["pixels"], self.pad, self.shifts)
        outcome = {"actions": self.actions[slots], "rewards": rewards, "terminated": self.terminated[slots]}
        return Batch(observations=now, next_observations=after, **outcome)

    def size(self) -> int:
        """Transitions of complete episodes, also of those whose beginning is overwritten."""
        return int(np.count_nonzero(self.ends))

    def nbytes(self) -> int:
        """All arrays."""
        return sum(array.nbytes for array in self._arrays().values())

    def save(self, path: Path) -> None:
        """All arrays and the write position."""
        with path.open("wb") as file:
            np.savez(file, step=self.step, n_envs=self.n_envs, **self._arrays())

    def load(self, path: Path) -> None:
        """Episodes that were under way stay open."""
        with np.load(path) as saved:
            if (saved["n_envs"], len(saved["steps"])) != (self.n_envs, self.slots):
                raise ValueError(f"{path} is of another size: load it with the same capacity and number of envs")
            for name, array in self._arrays().items():
                array[:] = saved[name]
            self.step = int(saved["step"])
        self.starts[:] = self.step

    def _slot(self, step: Any, env: Any) -> Any:
        return (step * self.n_envs + env) % self.slots

    def _arrays(self) -> dict[str, Array]:
        sides = {f"{side}.{key}": array for side in ("now", "next") for key, array in getattr(self, side).items()}
        return sides | {name: getattr(self, name) for name in ("actions", "rewards", "terminated", "steps", "ends")}


class DrQv2Shaped:
    """The adapter: everything above through ``visual_her_spec.protocol``."""

    name = "DrQ-v2-shaped"
    version = "0"
    capabilities = frozenset({Capability.CRITIC_ENCODER, Capability.GOAL_MODES, Capability.RANDOM_SHIFT})
    tau, gamma, entropy_coefficient = TAU, GAMMA, 0.0

    def make_env(
        self, task: gym.Env[Any, Any], *, camera: str = "default", render_size: int | None = None, **options: Any
    ) -> gym.Env[Any, Any]:
        """One camera, drawn at ``image_size``."""
        if camera != "default" or render_size is not None:
            raise ValueError("there is one camera, drawn at image_size: leave camera and render_size alone")
        return PixelStack(task, **options)

    def make_encoder(self, observation_space: spaces.Dict, *, variant: str = "", **options: Any) -> Agent:
        """An agent's; there is one variant."""
        return self.make_agent(observation_space, spaces.Box(-1, 1, (1,)), **options)

    def make_agent(
        self, observation_space: spaces.Dict, action_space: spaces.Box, *, goal_mode: GoalMode = "both", seed: int = 0
    ) -> Agent:
        """Untrained."""
        keys = [key for key in ("proprioception", *GOALS[goal_mode]) if key in observation_space.spaces]
        vectors = {key: int(np.prod(observation_space[key].shape or ())) for key in keys}
        return Agent(observation_space["pixels"].shape or (), vectors, int(np.prod(action_space.shape)), seed)

    def load_agent(self, path: Path) -> Agent:
        """What ``Agent.save`` wrote."""
        return Agent.load(path)

    def make_replay(self, observation_space: spaces.Dict, action_space: spaces.Box, **options: Any) -> Replay:
        """Empty."""
        return Replay(observation_space, action_space, **options)

    def random_shift(self, pixels: Array, *, pad: int, seed: int) -> Array:
        """The replay's."""
        return random_shift(pixels, pad, torch.Generator().manual_seed(seed))


IMPLEMENTATION = DrQv2Shaped()
