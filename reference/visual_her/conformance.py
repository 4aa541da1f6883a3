"""The reference's own adapter to the specification, written as a third party would write one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import DummyVecEnv
from visual_her_spec.protocol import (
    Batch,
    Capability,
    GoalMode,
    LearnOptions,
    Lesson,
    Observations,
    Policy,
    RewardFunction,
    TrainingRun,
    TrainOptions,
)

from visual_her import __version__, checkpoint, evaluation, recipes, sac, training
from visual_her.agent import build_agent, precision_of
from visual_her.augmentation import RandomShift
from visual_her.belief import BeliefVecEnv, filtered
from visual_her.config import TrainConfig
from visual_her.encoders import ManipulationExtractor, SpatialSoftmax
from visual_her.pixel_env import PixelObservationWrapper
from visual_her.replay import HerFrameBuffer
from visual_her.rewards_alone import BeliefSAC
from visual_her.sac import PixelSAC

Array = npt.NDArray[Any]


class SpaceOnlyEnv(gym.Env[Any, Any]):
    """Carries the spaces of an environment that is not there; an agent cannot be built without one."""

    def __init__(self, observation_space: gym.spaces.Dict, action_space: gym.spaces.Box) -> None:
        self.observation_space, self.action_space = observation_space, action_space

    def reset(self, **_: Any) -> Any:
        """Never called."""
        raise RuntimeError("this environment has spaces only")


class ReferenceEncoder:
    """Probe of ``ManipulationExtractor``."""

    def __init__(self, extractor: ManipulationExtractor, space: gym.spaces.Dict) -> None:
        self.extractor, self.space = extractor, space

    def network_input(self, pixels: Array) -> Array:
        """What the first convolution receives."""
        received: list[torch.Tensor] = []
        first = next(module for module in self.extractor.modules() if isinstance(module, torch.nn.Conv2d))
        handle = first.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0]))
        self.feature_map(pixels)
        handle.remove()
        return received[0].numpy()

    @torch.no_grad()
    def feature_map(self, pixels: Array) -> Array:
        """ManipulationCNN's output."""
        prepared = preprocess_obs(torch.as_tensor(pixels), self.space["pixels"])
        return self.extractor.cnn(prepared).contiguous().numpy()  # type: ignore[misc,no-any-return]

    @torch.no_grad()
    def keypoints(self, feature_map: Array, temperature: float | None = None) -> Array:
        """SpatialSoftmax of any map."""
        softmax = SpatialSoftmax(1.0 if temperature is None else temperature)
        return softmax.keypoints(torch.as_tensor(feature_map)).numpy()

    @torch.no_grad()
    def features(self, observations: Observations) -> Array:
        """The extractor's output."""
        tensors = {key: torch.as_tensor(value) for key, value in observations.items()}
        return self.extractor(preprocess_obs(tensors, self.space)).numpy()  # type: ignore[no-any-return]


class ReferenceAgent:
    """Probe of ``PixelSAC`` with ``DrQv2SACPolicy``."""

    def __init__(self, agent: PixelSAC, config: TrainConfig) -> None:
        self.agent, self.config = agent, config

    def parameters(self) -> dict[str, dict[str, Array]]:
        """By role; the actor's and the critic's own parameters are those that are not the encoder's."""
        return {
            role: {name: tensor.detach().numpy().copy() for name, tensor in named.items()}
            for role, named in self._tensors().items()
        }

    def optimizers(self) -> dict[str, list[str]]:
        """By identity of the tensors that each optimizer holds."""
        names = {
            id(tensor): f"{role}/{name}" for role, named in self._tensors().items() for name, tensor in named.items()
        }
        return {
            name: [names.get(id(p), "unknown") for group in optimizer.param_groups for p in group["params"]]
            for name, optimizer in (("actor", self.agent.actor.optimizer), ("critic", self.agent.critic.optimizer))
        }

    def update_critic(self, batch: Batch) -> float:
        """``_critic_step``."""
        samples = _samples(batch)
        self.agent._critic_step(samples, sac.encode(self.agent.policy, samples.observations)[0])
        return self._last("critic_loss")

    def update_actor(self, batch: Batch, *, learning_rate: float | None = None) -> float:
        """``_actor_step``."""
        groups = self.agent.actor.optimizer.param_groups
        rates = [group["lr"] for group in groups]
        for group in groups:
            group["lr"] = group["lr"] if learning_rate is None else learning_rate
        critic_features, actor_features = sac.encode(self.agent.policy, _samples(batch).observations)
        self.agent._actor_step(critic_features.detach(), actor_features)
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        return self._last("actor_loss")

    def update_target(self) -> None:
        """``_target_step``."""
        self.agent._target_step()

    def td_target(self, batch: Batch) -> Array:
        """``_td_target``."""
        return self.agent._td_target(_samples(batch)).numpy()[:, 0]

    def act(self, observations: Observations, *, deterministic: bool) -> Array:
        """SB3's ``predict``."""
        return self.agent.predict(dict(observations), deterministic=deterministic)[0]

    @torch.no_grad()
    def q_values(self, observations: Observations, actions: Array) -> Array:
        """All critics side by side."""
        tensors = {key: torch.as_tensor(value) for key, value in observations.items()}
        return torch.cat(self.agent.critic(tensors, torch.as_tensor(actions)), dim=1).numpy()

    def save(self, path: Path) -> None:
        """The trainer's own checkpoint; the spaces go beside it, since they are none of a task's."""
        checkpoint.save(self.agent, self.config, path, with_buffer=False)
        path.with_suffix(".spaces.json").write_text(json.dumps(_describe(self.agent)))

    def _tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        agent = self.agent
        encoder, target = agent.critic.features_extractor, agent.critic_target.features_extractor
        return {
            "encoder": dict(encoder.named_parameters()),
            "actor": {n: p for n, p in agent.actor.named_parameters() if not n.startswith("features_extractor.")},
            "critic": {n: p for n, p in agent.critic.named_parameters() if not n.startswith("features_extractor.")},
            "target_encoder": dict(target.named_parameters()),
            "target_critic": {
                n: p for n, p in agent.critic_target.named_parameters() if not n.startswith("features_extractor.")
            },
        }

    def _last(self, name: str) -> float:
        return float(self.agent._losses[name][-1])


class ReferenceReplay:
    """Probe of ``HerFrameBuffer``."""

    def __init__(self, buffer: HerFrameBuffer) -> None:
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
        self.buffer.add(observations, next_observations, actions, rewards, terminated | truncated, infos)

    def sample(self, batch_size: int) -> Batch:
        """As arrays."""
        return _batch(self.buffer.sample(batch_size))

    def size(self) -> int:
        """Transitions of complete episodes."""
        return self.buffer.size()

    def nbytes(self) -> int:
        """Everything that is allocated."""
        return self.buffer.nbytes

    def save(self, path: Path) -> None:
        """Plain arrays."""
        with open(path, "wb") as file:
            np.savez(file, **self.buffer.state_arrays())  # type: ignore[arg-type]

    def load(self, path: Path) -> None:
        """Plain arrays."""
        with np.load(path, allow_pickle=False) as arrays:
            self.buffer.load_state_arrays(arrays)


class ReferenceBelief:
    """Probe of ``BeliefSAC``, ``BeliefBuffer`` and ``BeliefVecEnv``."""

    def __init__(self, agent: BeliefSAC) -> None:
        self.agent, self.buffer, self.venv = agent, agent.replay_buffer, cast(BeliefVecEnv, agent.env)
        self._over = np.full(agent.n_envs, True)
        self.venv.forget()

    def parameters(self) -> dict[str, dict[str, Array]]:
        """The classifier is the encoder; the average of its weights is none of its parameters that are trained."""
        policy, classifier = self.agent.policy, self.agent.classifier
        modules = {"actor": policy.actor, "critic": policy.critic, "target_critic": policy.critic_target}
        named = {role: dict(module.named_parameters()) for role, module in modules.items()}
        named["encoder"] = {name: p for name, p in classifier.named_parameters() if p.requires_grad}
        return {role: {n: p.detach().numpy().copy() for n, p in tensors.items()} for role, tensors in named.items()}

    def add(
        self,
        observations: Observations,
        next_observations: Observations,
        actions: Array,
        rewards: Array,
        terminated: Array,
        truncated: Array,
    ) -> None:
        """With the beliefs of acting, as the vectorised environment adds them."""
        if self._over.any():
            self._before = self.venv.believe(dict(observations), self._over)
        after = self.venv.believe(dict(next_observations), np.full_like(self._over, False))
        infos = [{"TimeLimit.truncated": bool(cut and not end)} for end, cut in zip(terminated, truncated, strict=True)]
        self._over = terminated | truncated
        self.buffer.add(self._before, after, actions, rewards, self._over, infos)
        self._before = after

    def refresh(self) -> None:
        """As many episodes as the buffer can hold, one after another."""
        for _ in range(self.buffer.size()):
            episode, frames = self.buffer.oldest_refreshed()
            self.buffer.refresh(episode, self.agent.classifier.see(frames))

    def sample(self, batch_size: int) -> Batch:
        """As arrays."""
        self.agent._fit_standardization()
        return _batch(self.buffer.sample(batch_size))

    def sample_lesson(self, batch_size: int, *, shift: bool = True) -> Lesson:
        """As arrays."""
        before, self.buffer._shift = self.buffer._shift, self.buffer._shift if shift else None
        spread = np.full(self.venv.goal_size, 0.5)
        frames, goals, reached = self.buffer.sample_lesson(batch_size, self.agent.near_goals, spread)
        self.buffer._shift = before
        return Lesson(frames=frames.numpy(), goals=goals.numpy(), reached=reached.numpy())

    def update_encoder(self, lesson: Lesson) -> float:
        """``SuccessClassifier.learn``, and the average follows."""
        classifier = self.agent.classifier
        if torch.isnan(classifier.centre).any():
            classifier.fit(*self.buffer.goal_statistics())
        frames, goals, reached = (torch.as_tensor(part) for part in (lesson.frames, lesson.goals, lesson.reached))
        loss = float(classifier.learn(frames, goals, reached))
        classifier.publish()
        return loss

    def update_agent(self, batch: Batch) -> None:
        """``PixelSAC``'s steps on a given batch."""
        samples = _samples(batch)
        critic_features, actor_features = sac.encode(self.agent.policy, samples.observations)
        self.agent._critic_step(samples, critic_features)
        self.agent._actor_step(critic_features.detach(), actor_features)
        self.agent._target_step()

    def estimates(self, frames: Array) -> Array:
        """``SuccessClassifier.see``, without its sigma."""
        return self.agent.classifier.see(torch.as_tensor(frames))[:, :-1]

    def beliefs(self, frames: Array, starts: Array) -> Array:
        """``predict``'s state, frame after frame."""
        state, believed = None, []
        for pixels, start in zip(frames, starts, strict=True):
            _, state = self.agent.believe(pixels, state, start)
            believed.append(filtered(state, self.agent.filter_name))
        return np.stack(believed)

    def act(self, observations: Observations) -> Array:
        """SB3's ``predict``."""
        return self.agent.predict(dict(observations), deterministic=True)[0]


class Reference:
    """visual-her's reference implementation, by one of its end-to-end recipes.

    What the specification chooses itself (task, picture, proprioception, steps, batch) and what makes a run small
    replaces the recipe's; whatever else it says of encoder, routing, replay and update is held to the requirements.

    Args:
        recipe: its name.
    """

    version = __version__
    capabilities = frozenset(Capability)

    def __init__(self, recipe: str = "chapter") -> None:
        self.name = "visual-her reference" if recipe == "chapter" else f"visual-her reference, recipe {recipe}"
        self.recipe = dataclasses.replace(recipes.recipe(recipe), proprio=True)
        self.tau, self.gamma, self.entropy_coefficient = self.recipe.tau, self.recipe.gamma, self.recipe.ent_coef

    def make_env(self, task: gym.Env[Any, Any], **options: Any) -> gym.Env[Any, Any]:
        """``PixelObservationWrapper``."""
        return PixelObservationWrapper(task, **options)

    def make_encoder(
        self,
        observation_space: gym.spaces.Dict,
        *,
        variant: Literal["spatial-softmax", "flatten"] = "spatial-softmax",
        goal_mode: GoalMode = "both",
        seed: int = 0,
    ) -> ReferenceEncoder:
        """``ManipulationExtractor``."""
        torch.manual_seed(seed)
        extractor = ManipulationExtractor(
            observation_space,
            spatial_softmax=variant == "spatial-softmax",
            goal_mode=goal_mode,
            feature_norm=self.recipe.feature_norm,
            ortho_init=self.recipe.ortho_init,
            standardize=self.recipe.standardize,
            precision=precision_of(self.recipe),
        )
        return ReferenceEncoder(extractor, observation_space)

    def make_agent(
        self,
        observation_space: gym.spaces.Dict,
        action_space: gym.spaces.Box,
        *,
        goal_mode: GoalMode = "both",
        seed: int = 0,
    ) -> ReferenceAgent:
        """The recipe with networks of their own size but for the hidden layers."""
        config = dataclasses.replace(
            self.recipe,
            goal_mode=goal_mode,
            seed=seed,
            net_arch=(64, 64),
            device="cpu",
            learning_rate=1e-3,
            overlap=False,  # needs environments that step
        )
        return ReferenceAgent(_agent(config, observation_space, action_space), config)

    def load_agent(self, path: Path) -> ReferenceAgent:
        """Rebuilt from the checkpoint's config, then filled."""
        stored = checkpoint.read(path)
        if not path.with_suffix(".spaces.json").exists():  # the trainer's
            agent, env = evaluation.load_agent(stored, device="cpu")
            env.close()
            return ReferenceAgent(agent, stored.config)
        observations, actions = json.loads(path.with_suffix(".spaces.json").read_text())
        observation_space = gym.spaces.Dict({key: _box(shape, dtype) for key, (shape, dtype) in observations.items()})
        agent = _agent(stored.config, observation_space, gym.spaces.Box(-1, 1, actions, np.float32))
        checkpoint.restore(agent, stored)
        return ReferenceAgent(agent, stored.config)

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
    ) -> ReferenceReplay:
        """``HerFrameBuffer`` in memory."""
        return ReferenceReplay(
            HerFrameBuffer(
                capacity,
                observation_space,
                action_space,
                device="cpu",
                n_envs=n_envs,
                compute_reward=compute_reward,
                n_sampled_goal=n_sampled_goal,
                episode_length=episode_length,
                drq_pad=drq_pad,
                seed=seed,
                n_steps=n_steps,
                gamma=gamma,
            )
        )

    def make_belief_agent(
        self,
        observation_space: gym.spaces.Dict,
        action_space: gym.spaces.Box,
        *,
        n_envs: int,
        compute_reward: RewardFunction,
        episode_length: int,
        seed: int = 0,
    ) -> ReferenceBelief:
        """The agent of recipe laptop with small networks."""
        config = dataclasses.replace(
            recipes.recipe("laptop"),
            seed=seed,
            n_envs=n_envs,
            net_arch=(64, 64),
            buffer_size=20 * n_envs * episode_length,
            drq_pad=1,  # of 16 pixels, as 4 are of 84
            device="cpu",
            overlap=False,  # needs environments that step
        )
        envs = DummyVecEnv([lambda: SpaceOnlyEnv(observation_space, action_space)] * n_envs)
        agent = build_agent(config, envs, compute_reward, episode_length=episode_length)
        return ReferenceBelief(cast(BeliefSAC, agent))

    def random_shift(self, pixels: Array, *, pad: int, seed: int) -> Array:
        """``RandomShift``."""
        return RandomShift(pad, torch.Generator().manual_seed(seed))(torch.as_tensor(pixels)).numpy()

    def learn(self, make_env: Callable[[], gym.Env[Any, Any]], options: LearnOptions) -> Policy:
        """The trainer's agent, as fast as the test wants it."""
        config = dataclasses.replace(
            self.recipe,
            goal_mode=options.goal_mode,
            seed=options.seed,
            her_n_sampled_goal=4 if options.hindsight else 0,
            buffer_size=options.total_steps,
            learning_starts=500,
            learning_rate=1e-3,
            tau=0.02,
            gamma=0.9,
            ent_coef=0.01,
            gradient_steps=4,
            batch_size=64,
            drq_pad=1,  # of 16 pixels, as 4 are of 84
            net_arch=(128, 128),
            num_filters=16,
            device="cpu",
            overlap=False,  # needs environments in processes of their own
        )
        first = make_env()
        envs = DummyVecEnv([lambda: Monitor(make_env())] * 8)
        episode_length = first.get_wrapper_attr("_max_episode_steps")
        agent = build_agent(config, envs, first.get_wrapper_attr("compute_reward"), episode_length=episode_length)
        if not options.train_encoder:
            agent.critic.features_extractor.requires_grad_(False)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # tensors are small, and threads that spin are slow when another process wants a core
        agent.learn(options.total_steps, log_interval=None)
        torch.set_num_threads(threads)
        return lambda observation: agent.predict(dict(observation), deterministic=True)[0]

    def train(self, options: TrainOptions, folder: Path, *, resume: Path | None = None) -> TrainingRun:
        """The trainer, with standardised vectors and two environments."""
        n_envs = 2
        config = dataclasses.replace(
            self.recipe,
            env=options.env_id,
            seed=options.seed,
            n_envs=n_envs,
            total_steps=options.total_steps,
            learning_starts=options.learning_starts,
            gradient_steps=round(options.update_to_data * n_envs),
            checkpoint_freq=options.checkpoint_freq,
            image_size=options.image_size,
            camera=options.camera,  # type: ignore[arg-type]
            belief=options.belief,
            critic_encoder=not options.belief,
            ortho_init=self.recipe.ortho_init and not options.belief,  # the refusals want it off as well
            goal_mode="desired" if options.belief else self.recipe.goal_mode,
            standardize=True,
            net_arch=(64, 64),
            learning_rate=1e-3,
            batch_size=16,
            buffer_size=200,
            device="cpu",
            resume=str(resume) if resume else None,
            log_dir=str(folder / "runs"),
            checkpoints_dir=str(folder / "checkpoints"),
        )
        result = training.train(config)
        checkpoints = {checkpoint.read(path).step: path for path in result.paths.existing()}
        return TrainingRun(
            checkpoints=checkpoints, updates=result.agent._n_updates, agent=ReferenceAgent(result.agent, config)
        )

    def evaluate(self, checkpoint: Path, *, n_episodes: int, seed: int) -> float:
        """``visual-her evaluate``."""
        result = evaluation.evaluate(checkpoint, n_episodes=n_episodes, seed=seed, device="cpu")
        return float(result["metrics"]["success_rate"])


IMPLEMENTATION = Reference()
SIGHT, DEMO = Reference("sight"), Reference("demo")


def _agent(config: TrainConfig, observation_space: gym.spaces.Dict, action_space: gym.spaces.Box) -> PixelSAC:
    env = DummyVecEnv([lambda: SpaceOnlyEnv(observation_space, action_space)])
    return build_agent(config, env, lambda achieved, desired, info: np.zeros(len(achieved)), buffer_size=50)


def _describe(agent: PixelSAC) -> Any:
    space: gym.spaces.Dict = agent.observation_space  # type: ignore[assignment]
    return {key: (box.shape, str(box.dtype)) for key, box in space.items()}, agent.action_space.shape


def _box(shape: list[int], dtype: str) -> gym.spaces.Box:
    low, high = (0, 255) if dtype == "uint8" else (-np.inf, np.inf)
    return gym.spaces.Box(low, high, tuple(shape), np.dtype(dtype).type)


def _samples(batch: Batch) -> DictReplayBufferSamples:
    def tensors(arrays: dict[str, Array]) -> dict[str, torch.Tensor]:
        return {key: torch.as_tensor(value) for key, value in arrays.items()}

    return DictReplayBufferSamples(
        observations=tensors(batch.observations),
        actions=torch.as_tensor(batch.actions, dtype=torch.float32),
        next_observations=tensors(batch.next_observations),
        dones=torch.as_tensor(batch.terminated, dtype=torch.float32)[:, None],
        rewards=torch.as_tensor(batch.rewards, dtype=torch.float32)[:, None],
        discounts=None if batch.discounts is None else torch.as_tensor(batch.discounts, dtype=torch.float32)[:, None],
    )


def _batch(drawn: DictReplayBufferSamples) -> Batch:
    return Batch(
        observations={key: value.numpy() for key, value in drawn.observations.items()},
        actions=drawn.actions.numpy(),
        next_observations={key: value.numpy() for key, value in drawn.next_observations.items()},
        rewards=drawn.rewards.numpy()[:, 0],
        terminated=drawn.dones.numpy()[:, 0],
        discounts=None if drawn.discounts is None else drawn.discounts.numpy()[:, 0],
    )
