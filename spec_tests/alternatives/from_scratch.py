"""Visual HER from scratch: SAC, pixels and replay without Stable-Baselines3, and not as the reference does them.

One AdamW holds all networks, and one backward pass serves both losses: the critics' is the only one that reaches the
encoder, since the actor's sees detached features and detached critics. Replay is a list of episodes.
"""

from __future__ import annotations

import copy
import importlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from visual_her_spec import protocol
from visual_her_spec.protocol import Array, Batch, Capability, GoalMode, Observations, RewardFunction

GAMMA, TAU, ENTROPY = 0.97, 0.01, 0.05
GOAL_KEYS = {"none": [], "desired": ["desired_goal"], "both": ["achieved_goal", "desired_goal"]}
ROBOT = [0, 1, 2, 9, 10, 20, 21, 22, 23, 24]
"""What of the 25-D state of a Fetch task with an object is not about the object."""


class MujocoCamera:
    """Draws a MuJoCo task from where the library looks at it, without the goal marker."""

    def __init__(self, task: Any, size: int) -> None:
        self.task, self.size = task, size
        self.buffers: Any = None

    def draw(self) -> Array:
        """(size, size, 3) uint8."""
        if self.buffers is None:
            self._open()
        gl, context, scene, camera, options = self.buffers
        gl.make_current()  # another environment's may be
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self.task.model, self.task.data, options, None, camera, everything, scene)
        view, picture = mujoco.MjrRect(0, 0, self.size, self.size), np.empty((self.size, self.size, 3), np.uint8)
        mujoco.mjr_render(view, scene, context)
        mujoco.mjr_readPixels(picture, None, view, context)
        return picture[::-1]  # OpenGL starts at the bottom

    def close(self) -> None:
        """Frees the context."""
        if self.buffers is not None:
            gl, context, *_ = self.buffers
            gl.make_current()
            context.free()
            gl.free()
            self.buffers = None

    def _open(self) -> None:
        backend = importlib.import_module(f"mujoco.{os.environ.get('MUJOCO_GL') or 'egl'}")
        model = self.task.model
        gl = backend.GLContext(self.size, self.size)
        gl.make_current()
        screen = model.vis.global_
        screen.offwidth, screen.offheight = max(screen.offwidth, self.size), max(screen.offheight, self.size)
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
        camera, options = mujoco.MjvCamera(), mujoco.MjvOption()
        mujoco.mjv_defaultFreeCamera(model, camera)
        for name, value in self.task.mujoco_renderer.default_cam_config.items():
            setattr(camera, name, value)
        options.sitegroup[:] = 0
        self.buffers = gl, context, mujoco.MjvScene(model, 1000), camera, options


class PixelEnv(gym.Wrapper[Any, Any, Any, Any]):
    """A goal-conditioned task seen as a stack of frames, proprioception and the goals that are granted."""

    def __init__(self, task: gym.Env[Any, Any], *, goal_keys: list[str], frame_stack: int, size: int) -> None:
        super().__init__(task)
        given: Any = task.observation_space
        state = given["observation"].shape[0]
        self.robot = ROBOT if getattr(task.unwrapped, "has_object", False) else list(range(state))
        self.camera = MujocoCamera(task.unwrapped, size) if hasattr(task.unwrapped, "mujoco_renderer") else None
        self.frames = np.zeros((3 * frame_stack, size, size), np.uint8)
        self.goal_keys = goal_keys
        self.observation_space = spaces.Dict(
            {
                "pixels": spaces.Box(0, 255, self.frames.shape, np.uint8),
                "proprioception": spaces.Box(-np.inf, np.inf, (len(self.robot),), np.float64),
                **{key: given[key] for key in goal_keys},
            }
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Fills the stack with the first frame."""
        state, info = self.env.reset(seed=seed, options=options)
        self.frames.reshape(-1, 3, *self.frames.shape[1:])[:] = self._draw()
        return self._observe(state), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Appends a frame."""
        state, *outcome = self.env.step(action)
        self.frames[:-3] = self.frames[3:]
        self.frames[-3:] = self._draw()
        return self._observe(state), *outcome

    def close(self) -> None:
        """Also frees the camera."""
        if self.camera is not None:
            self.camera.close()
        super().close()

    def _draw(self) -> Array:
        picture = np.asarray(self.env.render() if self.camera is None else self.camera.draw()).transpose(2, 0, 1)
        if picture.shape[1:] == self.frames.shape[1:]:
            return picture
        wide = torch.from_numpy(picture.astype(np.float32))[None]
        return functional.interpolate(wide, self.frames.shape[1:], mode="area")[0].round().byte().numpy()

    def _observe(self, state: Observations) -> dict[str, Array]:
        goals = {key: np.array(state[key]) for key in self.goal_keys}
        return {"pixels": self.frames.copy(), "proprioception": np.array(state["observation"][self.robot]), **goals}


def random_shift(pixels: Tensor, pad: int, generator: torch.Generator) -> Tensor:
    """Shifts each uint8 image of (B, C, H, W) by up to ``pad`` pixels an axis; the border is repeated."""
    height, width = pixels.shape[2:]
    padded = functional.pad(pixels.float(), (pad, pad, pad, pad), mode="replicate").byte()
    corners = torch.randint(2 * pad + 1, (len(pixels), 2), generator=generator).tolist()
    views = [image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, corners, strict=True)]
    return torch.stack(views)


class Encoder(nn.Module):
    """Strided 3x3 convolutions, channels last, and SpatialSoftmax; vectors are passed through."""

    def __init__(self, channels: int, vector_keys: list[str]) -> None:
        super().__init__()
        self.vector_keys = vector_keys
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, 32, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 32, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 24, 3, padding=1, bias=False),  # a softmax is blind to a bias
        )
        self.log_temperature = nn.Parameter(torch.zeros(()))
        self.to(memory_format=torch.channels_last)

    @staticmethod
    def centred(pixels: Tensor) -> Tensor:
        """uint8 (B, C, H, W) -> float on [-0.5, 0.5]."""
        return (pixels.float() / 255 - 0.5).contiguous(memory_format=torch.channels_last)

    def keypoints(self, feature_map: Tensor, temperature: Tensor) -> Tensor:
        """(B, F, h, w) -> (B, F, 2): the expected (x, y) of cells whose outer edges are at -1 and 1."""
        height, width = feature_map.shape[2:]
        weights = (feature_map.flatten(2) / temperature).softmax(-1).unflatten(-1, (height, width))
        x, y = ((2 * torch.arange(size) + 1) / size - 1 for size in (width, height))
        return torch.stack([weights.sum(-2) @ x, weights.sum(-1) @ y], dim=-1)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """-> (B, features): x0, y0, x1, y1, ... and the vectors."""
        feature_map = self.convolutions(self.centred(observations["pixels"]))
        points = self.keypoints(feature_map, self.log_temperature.exp()).flatten(1)
        return torch.cat([points, *(observations[key].float() for key in self.vector_keys)], dim=1)


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, outputs))


class Critics(nn.Module):
    """Two Q functions of features and actions."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.one, self.other = mlp(inputs, 1), mlp(inputs, 1)

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        """-> (B, 2)."""
        inputs = torch.cat([features, actions], dim=1)
        return torch.cat([self.one(inputs), self.other(inputs)], dim=1)


def tensors(observations: Observations) -> dict[str, Tensor]:
    """Copies, since NumPy's may be read-only."""
    return {key: torch.tensor(np.ascontiguousarray(value)) for key, value in observations.items()}


class Agent:
    """SAC on keypoints, and its own probe."""

    def __init__(self, *, shapes: dict[str, list[int]], action_size: int, goal_mode: GoalMode, seed: int) -> None:
        self.options = {"shapes": shapes, "action_size": action_size, "goal_mode": goal_mode, "seed": seed}
        keys = [key for key in ["proprioception", *GOAL_KEYS[goal_mode]] if key in shapes]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Encoder(shapes["pixels"][0], keys)
            features = 2 * 24 + sum(shapes[key][0] for key in keys)
            self.actor, self.critic = mlp(features, 2 * action_size), Critics(features + action_size)
        online = {"encoder": self.encoder, "actor": self.actor, "critic": self.critic}
        target = {f"target_{role}": copy.deepcopy(online[role]).requires_grad_(False) for role in ("encoder", "critic")}
        self.roles = nn.ModuleDict(online | target)
        of_critic = [*self.encoder.parameters(), *self.critic.parameters()]
        groups = [{"params": of_critic}, {"params": [*self.actor.parameters()]}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=1e-4)
        self.generator = torch.Generator().manual_seed(seed)

    def policy(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, features) -> actions (B, A) and their log-probability (B,), differentiable."""
        mean, log_std = self.actor(features).chunk(2, dim=1)
        log_std = log_std.clamp(-5, 2)
        noise = torch.randn(mean.shape, generator=self.generator)
        raw = mean + log_std.exp() * noise
        squashing = 2 * (math.log(2) - raw - functional.softplus(-2 * raw))  # log(1 - tanh^2)
        log_probability = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi) - squashing
        return raw.tanh(), log_probability.sum(1)

    @torch.no_grad()
    def _target(self, batch: Batch) -> Tensor:
        following = tensors(batch.next_observations)
        actions, log_probability = self.policy(self.encoder(following))
        features = self.roles["target_encoder"](following)
        values = self.roles["target_critic"](features, actions).amin(1) - ENTROPY * log_probability
        rewards, terminated = (torch.as_tensor(x, dtype=torch.float32) for x in (batch.rewards, batch.terminated))
        discounts = GAMMA if batch.discounts is None else torch.as_tensor(batch.discounts, dtype=torch.float32)
        return rewards + discounts * (1 - terminated) * values

    def update(self, batch: Batch, *, critic: bool = True, actor: bool = True) -> float:
        """One step of both losses, or of one, in one backward pass; returns their sum."""
        features = self.encoder(tensors(batch.observations))
        losses = []
        if critic:
            predictions = self.critic(features, torch.tensor(batch.actions, dtype=torch.float32))
            losses.append(((predictions - self._target(batch)[:, None]) ** 2).mean())
        if actor:
            seen = features.detach()
            actions, log_probability = self.policy(seen)
            still = {name: parameter.detach() for name, parameter in self.critic.named_parameters()}
            values = functional_call(self.critic, still, (seen, actions)).amin(1)
            losses.append((ENTROPY * log_probability - values).mean())
        self.optimizer.zero_grad(set_to_none=True)  # what has no gradient is neither stepped nor decayed
        loss = torch.stack(losses).sum()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def update_critic(self, batch: Batch) -> float:
        """Critics and encoder."""
        return self.update(batch, actor=False)

    def update_actor(self, batch: Batch, *, learning_rate: float | None = None) -> float:
        """The actor alone."""
        group = self.optimizer.param_groups[1]
        usual = group["lr"]
        group["lr"] = usual if learning_rate is None else learning_rate
        loss = self.update(batch, critic=False)
        group["lr"] = usual
        return loss

    @torch.no_grad()
    def update_target(self) -> None:
        """One Polyak step of encoder and critics."""
        for role in ("encoder", "critic"):
            for old, new in zip(self.roles[f"target_{role}"].parameters(), self.roles[role].parameters(), strict=True):
                old.lerp_(new, TAU)

    def td_target(self, batch: Batch) -> Array:
        """(B,)."""
        return self._target(batch).numpy()

    @torch.no_grad()
    def act(self, observations: Observations, *, deterministic: bool) -> Array:
        """Batched."""
        features = self.encoder(tensors(observations))
        if deterministic:
            return self.actor(features).chunk(2, dim=1)[0].tanh().numpy()
        return self.policy(features)[0].numpy()

    @torch.no_grad()
    def q_values(self, observations: Observations, actions: Array) -> Array:
        """(B, 2)."""
        return self.critic(self.encoder(tensors(observations)), torch.tensor(actions, dtype=torch.float32)).numpy()

    def parameters(self) -> dict[str, dict[str, Array]]:
        """Copies, by role."""
        return {
            role: {name: parameter.detach().numpy().copy() for name, parameter in net.named_parameters()}
            for role, net in self.roles.items()
        }

    def optimizers(self) -> dict[str, list[str]]:
        """The one."""
        names = {id(p): f"{role}/{name}" for role, net in self.roles.items() for name, p in net.named_parameters()}
        return {"adamw": [names[id(p)] for group in self.optimizer.param_groups for p in group["params"]]}

    def save(self, path: Path) -> None:
        """Tensors and plain values only."""
        state = {"options": self.options, "weights": self.roles.state_dict(), "generator": self.generator.get_state()}
        torch.save({**state, "optimizer": self.optimizer.state_dict()}, path)

    @classmethod
    def load(cls, path: Path) -> Agent:
        """What ``save`` wrote."""
        state = torch.load(path, weights_only=True)
        agent = cls(**state["options"])
        agent.roles.load_state_dict(state["weights"])
        agent.optimizer.load_state_dict(state["optimizer"])
        agent.generator.set_state(state["generator"])
        return agent


class EncoderProbe:
    """The encoder, in NumPy."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def network_input(self, pixels: Array) -> Array:
        """Of the first convolution."""
        return self.encoder.centred(torch.tensor(pixels)).numpy()

    @torch.no_grad()
    def feature_map(self, pixels: Array) -> Array:
        """Of the last convolution."""
        return self.encoder.convolutions(self.encoder.centred(torch.tensor(pixels))).numpy()

    @torch.no_grad()
    def keypoints(self, feature_map: Array, temperature: float | None = None) -> Array:
        """At a temperature of 1 initially."""
        return self.encoder.keypoints(torch.tensor(feature_map), torch.tensor(temperature or 1.0)).numpy()

    @torch.no_grad()
    def features(self, observations: Observations) -> Array:
        """Keypoints and vectors."""
        return self.encoder(tensors(observations)).numpy()


Episode = dict[str, Array]
"""``frames`` (T + 1, 3, H, W), vectors (T + 1, n), ``actions`` (T, A), ``rewards`` and ``terminated`` (T,)."""


def picked(episodes: list[Episode], key: str, steps: Array) -> Array:
    """What each episode has at its step, (B, ...)."""
    return np.stack([episode[key][step] for episode, step in zip(episodes, steps, strict=True)])


class EpisodeReplay:
    """A list of complete episodes, the oldest first; each frame is stored once.

    An episode has to start with a stack of its first frame. What was not ended when another one starts is dropped.

    Args:
        observation_space: of the wrapper.
        capacity: transitions.
        n_sampled_goal: k; a share k / (k + 1) of each batch, rounded down, is relabelled.
        compute_reward: of the task.
        drq_pad: of the random shift.
        seed: of draws and shifts.
        n_steps: rewards that are summed up, as far as the episode goes.
        gamma: their discount.
    """

    def __init__(
        self, observation_space: spaces.Dict, *, capacity: int, n_sampled_goal: int, compute_reward: RewardFunction,
        drq_pad: int = 0, seed: int = 0, n_steps: int = 1, gamma: float = GAMMA,
    ) -> None:  # fmt: skip
        self.vector_keys = [key for key in observation_space.spaces if key != "pixels"]
        self.depth = (observation_space["pixels"].shape or (0,))[0] // 3
        self.capacity, self.k, self.compute_reward, self.pad = capacity, n_sampled_goal, compute_reward, drq_pad
        self.n_steps, self.gamma = n_steps, gamma
        self.rng, self.generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self.episodes: list[Episode] = []
        self.ends = np.zeros(0, np.intp)
        self.open: dict[int, dict[str, list[Array]]] = {}

    def add(
        self, observations: Observations, next_observations: Observations, actions: Array, rewards: Array,
        terminated: Array, truncated: Array,
    ) -> None:  # fmt: skip
        """One transition of each env."""
        for env in range(len(actions)):
            now, then = (self._instant(side, env) for side in (observations, next_observations))
            episode = self.open.get(env)
            if episode is None or any(not np.array_equal(episode[key][-1], value) for key, value in now.items()):
                episode = self.open[env] = {key: [value] for key, value in now.items()}
            outcome = {"actions": actions[env], "rewards": rewards[env], "terminated": terminated[env]}
            for key, value in (then | outcome).items():
                episode.setdefault(key, []).append(np.array(value))
            if terminated[env] or truncated[env]:
                self._take_in([{key: np.stack(values) for key, values in self.open.pop(env).items()}])

    def sample(self, batch_size: int) -> Batch:
        """Draws transitions uniformly and relabels the first rows."""
        flat = self.rng.integers(self.size(), size=batch_size)
        which = np.searchsorted(self.ends, flat, side="right")
        episodes = [self.episodes[index] for index in which]
        lengths = np.array([len(episode["actions"]) for episode in episodes])
        steps = flat - (self.ends[which] - lengths)
        ends = np.minimum(steps + self.n_steps, lengths)
        before, after = self._observations(episodes, steps), self._observations(episodes, ends)
        if share := batch_size * self.k // (self.k + 1):
            later = self.rng.integers(steps[:share] + 1, lengths[:share] + 1)
            goals = np.stack([episodes[row]["achieved_goal"][later[row]] for row in range(share)])
            before["desired_goal"][:share] = after["desired_goal"][:share] = goals
        returns = np.zeros(batch_size)
        for ahead in reversed(range(self.n_steps)):  # from the window's end to its beginning
            at = np.minimum(steps + ahead, lengths - 1)
            rewards = picked(episodes, "rewards", at).astype(np.float64)
            if share:
                rewards[:share] = self.compute_reward(picked(episodes, "achieved_goal", at + 1)[:share], goals, {})
            returns = np.where(steps + ahead < ends, rewards + self.gamma * returns, returns)
        return Batch(
            observations=before,
            actions=picked(episodes, "actions", steps),
            next_observations=after,
            rewards=returns.astype(np.float32),
            terminated=picked(episodes, "terminated", ends - 1).astype(np.float32),
            discounts=(self.gamma ** (ends - steps)).astype(np.float32),
        )

    def size(self) -> int:
        """Transitions of complete episodes."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def nbytes(self) -> int:
        """Of all arrays."""
        opened = [array for episode in self.open.values() for arrays in episode.values() for array in arrays]
        return sum(array.nbytes for array in [*opened, *(a for episode in self.episodes for a in episode.values())])

    def save(self, path: Path) -> None:
        """Complete episodes, as plain tensors."""
        torch.save([{key: torch.from_numpy(array) for key, array in e.items()} for e in self.episodes], path)

    def load(self, path: Path) -> None:
        """Replaces the contents; episodes that do not fit are left out, the oldest first."""
        self.episodes, self.open = [], {}
        saved = torch.load(path, weights_only=True)
        self._take_in([{key: tensor.numpy() for key, tensor in episode.items()} for episode in saved])

    def _instant(self, observations: Observations, env: int) -> dict[str, Array]:
        vectors = {key: np.array(observations[key][env]) for key in self.vector_keys}
        return {"frames": np.array(observations["pixels"][env][-3:]), **vectors}

    def _take_in(self, episodes: list[Episode]) -> None:
        self.episodes += episodes
        lengths = [len(episode["actions"]) for episode in self.episodes]
        total, surplus = sum(lengths), 0
        while total > self.capacity:
            total -= lengths[surplus]
            surplus += 1
        del self.episodes[:surplus]
        self.ends = np.cumsum(lengths[surplus:])

    def _observations(self, episodes: list[Episode], steps: Array) -> dict[str, Array]:
        rows = list(zip(episodes, steps, strict=True))
        ages = np.arange(1 - self.depth, 1)
        pixels = np.stack([np.concatenate(episode["frames"][np.maximum(step + ages, 0)]) for episode, step in rows])
        if self.pad:
            pixels = random_shift(torch.from_numpy(pixels), self.pad, self.generator).numpy()
        vectors = {key: np.stack([episode[key][step] for episode, step in rows]) for key in self.vector_keys}
        return {"pixels": pixels, **vectors}


class FromScratch:
    """The adapter: options in, objects out."""

    name = "from scratch: SAC + HER in PyTorch, without SB3"
    version = "1"
    capabilities = frozenset(
        {Capability.CRITIC_ENCODER, Capability.TARGET_ENCODER, Capability.SPATIAL_SOFTMAX}
        | {Capability.GOAL_MODES, Capability.RANDOM_SHIFT, Capability.N_STEP}
    )
    tau, gamma, entropy_coefficient = TAU, GAMMA, ENTROPY

    def make_env(
        self, task: gym.Env[Any, Any], *, goal_mode: GoalMode = "both", frame_stack: int = 4, image_size: int = 84
    ) -> gym.Env[Any, Any]:
        """With the one camera that it has: the options of ``Capability.MUJOCO_CAMERA`` are not offered."""
        return PixelEnv(task, goal_keys=GOAL_KEYS[goal_mode], frame_stack=frame_stack, size=image_size)

    def make_encoder(
        self, observation_space: spaces.Dict, *, variant: str = "spatial-softmax", goal_mode: GoalMode = "both",
        seed: int = 0,
    ) -> EncoderProbe:  # fmt: skip
        """That of a new agent."""
        if variant != "spatial-softmax":
            raise ValueError(f"variant {variant!r} is not offered: use 'spatial-softmax'")
        actions = spaces.Box(-1, 1, (1,), np.float32)
        return EncoderProbe(self.make_agent(observation_space, actions, goal_mode=goal_mode, seed=seed).encoder)

    def make_agent(
        self, observation_space: spaces.Dict, action_space: spaces.Box, *, goal_mode: GoalMode = "both", seed: int = 0
    ) -> Agent:
        """Untrained."""
        shapes = {key: list(box.shape or ()) for key, box in observation_space.spaces.items()}
        return Agent(shapes=shapes, action_size=action_space.shape[0], goal_mode=goal_mode, seed=seed)

    def load_agent(self, path: Path) -> Agent:
        """What ``Agent.save`` wrote."""
        return Agent.load(path)

    def make_replay(
        self, observation_space: spaces.Dict, action_space: spaces.Box, *, n_envs: int, episode_length: int,
        **options: Any,
    ) -> EpisodeReplay:  # fmt: skip
        """Episodes may be as many and as long as they are."""
        return EpisodeReplay(observation_space, **options)

    def random_shift(self, pixels: Array, *, pad: int, seed: int) -> Array:
        """Of a batch."""
        return random_shift(torch.tensor(pixels), pad, torch.Generator().manual_seed(seed)).numpy()

    def learn(self, make_env: Callable[[], gym.Env[Any, Any]], options: protocol.LearnOptions) -> protocol.Policy:
        """One update of everything a step, after 200 random ones."""
        env = make_env()
        observed: Any = env.observation_space
        agent = self.make_agent(observed, env.action_space, goal_mode=options.goal_mode, seed=options.seed)
        agent.encoder.requires_grad_(options.train_encoder)
        replay = EpisodeReplay(
            observed, capacity=options.total_steps, n_sampled_goal=4 if options.hindsight else 0, seed=options.seed,
            compute_reward=env.get_wrapper_attr("compute_reward"),
        )  # fmt: skip
        env.action_space.seed(options.seed)
        now, _ = env.reset(seed=options.seed)
        for step in range(options.total_steps):
            random = step < 200
            action = env.action_space.sample() if random else agent.act(one(now), deterministic=False)[0]
            then, reward, *ends, _ = env.step(action)
            replay.add(one(now), one(then), action[None], np.array([reward]), *(np.array([end]) for end in ends))
            now = env.reset()[0] if any(ends) else then
            if not random:
                agent.update(replay.sample(128))
                agent.update_target()
        return lambda observation: agent.act(one(observation), deterministic=True)[0]


def one(observation: Observations) -> dict[str, Array]:
    """A batch of it."""
    return {key: np.asarray(value)[None] for key, value in observation.items()}


IMPLEMENTATION = FromScratch()
