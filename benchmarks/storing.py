"""Replay buffers and what is put into them: noise, and FetchPush episodes in which the puck is pushed about."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from visual_her.replay import HerFrameBuffer
from visual_her.vec_env import make_task

from benchmarks.chapter_baseline import observation_space
from benchmarks.collection import ACTIONS, EPISODE, our_vec_env

Array = npt.NDArray[Any]
Observation = dict[str, Array]


class Replay(Protocol):
    """What ours and SB3's replay buffers have in common."""

    n_envs: int

    def add(
        self, obs: Any, next_obs: Any, action: Array, reward: Array, done: Array, infos: list[dict[str, Any]]
    ) -> None:
        """Stores one transition of each env."""

    def sample(self, batch_size: int, env: Any = None) -> Any:
        """A relabelled batch."""


def our_buffer(transitions: int, *, image_size: int, n_envs: int = 4, **choices: Any) -> HerFrameBuffer:
    """The recipe's buffer, empty."""
    task = _task()
    return HerFrameBuffer(
        transitions,
        observation_space(image_size),
        task.action_space,  # type: ignore[arg-type]
        device="cpu",
        n_envs=n_envs,
        compute_reward=task.unwrapped.compute_reward,  # type: ignore[attr-defined]
        n_sampled_goal=8,
        seed=0,
        **choices,
    )


@functools.cache
def _task() -> gym.Env[Any, Any]:
    return make_task("FetchPush-v4")


@dataclasses.dataclass(frozen=True)
class Episode:
    """One episode of one env: ``observations`` has one more than ``actions``."""

    observations: list[Observation]
    actions: Array


def noise_episode(image_size: int, seed: int = 0) -> Episode:
    """Random frames and vectors; what a raw buffer costs does not depend on what they show."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (EPISODE + 4, 3, image_size, image_size), np.uint8)

    def observation(step: int) -> Observation:
        vectors = {key: rng.random(size) for key, size in (("proprioception", 10), ("achieved_goal", 3))}
        pixels = frames[step : step + 4].reshape(-1, image_size, image_size)
        return {"pixels": pixels, **vectors, "desired_goal": np.full(3, 0.5)}

    return Episode([observation(step) for step in range(EPISODE + 1)], rng.uniform(-1, 1, (EPISODE, ACTIONS)))


def contact_episodes(count: int, camera: str, seed: int = 0) -> list[Episode]:
    """FetchPush episodes of a script that drives the gripper at the puck and through it; 30 % of it is noise.

    Args:
        count: a multiple of 4.
        camera: ``default`` or ``table``.
        seed: of resets and script.
    """
    env, rng = our_vec_env(camera=camera, seed=seed), np.random.default_rng(seed)
    episodes: list[Episode] = []
    try:
        env.seed(seed)
        observation: Any = env.reset()
        while len(episodes) < count:
            angle = rng.uniform(0, 2 * np.pi, env.num_envs)
            direction = np.stack([np.cos(angle), np.sin(angle), np.zeros(env.num_envs)], axis=1)  # (n_envs, 3)
            seen, actions = [_copy(observation)], []
            for step in range(EPISODE):
                reach = -0.08 + 0.3 * step / EPISODE  # metres behind the puck, then through it
                target = observation["achieved_goal"] + reach * direction
                drive = 10 * (target - observation["proprioception"][:, :3])
                drive = np.where(rng.random((env.num_envs, 1)) < 0.3, rng.uniform(-1, 1, drive.shape), drive)
                action = np.concatenate([drive, np.zeros((env.num_envs, 1))], axis=1).clip(-1, 1)
                observation, _, _, infos = env.step(action.astype(np.float32))
                final = step == EPISODE - 1  # the vectorised env has been reset by then
                seen.append(_stack([info["terminal_observation"] for info in infos]) if final else _copy(observation))
                actions.append(action)
            episodes += [
                Episode([{key: value[i] for key, value in o.items()} for o in seen], np.stack(actions)[:, i])
                for i in range(env.num_envs)
            ]
    finally:
        env.close()
    return episodes[:count]


def share_with_contact(episodes: list[Episode]) -> float:
    """Share of the episodes in which the puck moved by more than 1 cm."""
    moved = [np.ptp([o["achieved_goal"] for o in episode.observations], axis=0).max() for episode in episodes]
    return float(np.mean(np.array(moved) > 0.01))


def fill(buffer: Replay, transitions: int, episodes: list[Episode]) -> None:
    """Adds whole episodes, over and over, until ``transitions`` are stored."""
    n, rewards = buffer.n_envs, np.full(buffer.n_envs, -1.0, np.float32)
    for number in range(transitions // (n * EPISODE)):
        played = [episodes[(number * n + i) % len(episodes)] for i in range(n)]
        batches = [_stack([episode.observations[step] for episode in played]) for step in range(EPISODE + 1)]
        for step in range(EPISODE):
            final = step == EPISODE - 1
            infos: list[dict[str, Any]] = [{"TimeLimit.truncated": final} for _ in range(n)]
            actions = np.stack([episode.actions[step] for episode in played]).astype(np.float32)
            buffer.add(batches[step], batches[step + 1], actions, rewards, np.full(n, final), infos)


def _copy(observation: Observation) -> Observation:
    return {key: np.array(value) for key, value in observation.items()}


def _stack(observations: list[Observation]) -> Observation:
    return {key: np.stack([observation[key] for observation in observations]) for key in observations[0]}
