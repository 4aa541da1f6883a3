"""Deterministic evaluation of a checkpoint, with an interval, and the table that compares several."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import DummyVecEnv
from tqdm import tqdm

from visual_her import checkpoint as checkpoints
from visual_her.agent import build_agent
from visual_her.checkpoint import Checkpoint
from visual_her.config import TrainConfig, tag
from visual_her.errors import UsageError
from visual_her.pixel_env import Observation
from visual_her.preflight import check_device, check_renderer
from visual_her.provenance import provenance
from visual_her.sac import PixelSAC
from visual_her.vec_env import make_env, make_task

Picture = npt.NDArray[np.uint8]

# Far from any seed that training draws, so that evaluation episodes are fresh.
FIRST_EVALUATION_SEED = 1_000_000


@dataclass(frozen=True)
class Episode:
    """One evaluated episode.

    Attributes:
        success: whether the goal is reached at the last step.
        total_reward: undiscounted.
        final_distance: metres between achieved and desired goal at the last step.
        time_to_success: steps until the goal is reached for the first time; ``None`` if never.
        pictures: what ``picture`` returned at the reset and after each step.
    """

    success: bool
    total_reward: float
    final_distance: float
    time_to_success: int | None
    pictures: list[Picture]


def load_agent(checkpoint: Checkpoint, *, device: str = "auto") -> tuple[PixelSAC, Any]:
    """The trained agent and one environment as in its training.

    Raises:
        UsageError: the checkpoint's weights do not fit its config.
    """
    config = TrainConfig.from_json({**checkpoint.config.to_json(), "device": device, "n_envs": 1, "overlap": False})
    env = make_env(config)
    compute_reward = make_task(config.env).get_wrapper_attr("compute_reward")
    agent = build_agent(config, DummyVecEnv([lambda: env]), compute_reward, buffer_size=50)
    checkpoints.restore(agent, checkpoint)
    return agent, env


def run_episode(
    agent: PixelSAC, env: Any, seed: int, picture: Callable[[Observation], Picture] | None = None
) -> Episode:
    """Plays one episode with the policy's mean action from a seeded reset.

    Args:
        agent: the agent.
        env: one environment with a time limit.
        seed: of the reset.
        picture: makes a picture from the observation at each instant, for a video.
    """
    observation, _ = env.reset(seed=seed)
    total, first_success, step, done, info, state = 0.0, None, 0, False, {"is_success": False}, None
    pictures = [picture(observation)] if picture else []
    while not done:
        action, state = agent.predict(observation, state, deterministic=True)
        observation, reward, terminated, truncated, info = env.step(action)
        done, step, total = terminated or truncated, step + 1, total + float(reward)
        if info["is_success"] and first_success is None:
            first_success = step
        if picture:
            pictures.append(picture(observation))
    distance = float(np.linalg.norm(observation["achieved_goal"] - observation["desired_goal"]))
    return Episode(bool(info["is_success"]), total, distance, first_success, pictures)


def evaluate(
    path: str | Path, *, n_episodes: int = 100, seed: int = FIRST_EVALUATION_SEED, device: str = "auto"
) -> dict[str, Any]:
    """Evaluates a checkpoint on ``n_episodes`` episodes with resets seeded ``seed``, ``seed + 1``, ….

    Args:
        path: the checkpoint.
        n_episodes: at least 1.
        seed: of the first reset.
        device: where the networks run.

    Returns:
        What ``write_result`` puts into the JSON: metrics with their units in DESIGN section 6, and provenance.

    Raises:
        UsageError: the checkpoint cannot be used, or ``n_episodes`` is below 1.
    """
    if n_episodes < 1:
        raise UsageError(f"--n-eval-episodes {n_episodes} is too small: use at least 1.")
    if not 0 <= seed < 2**32 - n_episodes:
        raise UsageError(f"--eval-seed {seed} is out of range: use one from 0 to {2**32 - n_episodes - 1}.")
    checkpoint = checkpoints.read(path)
    check_device(device)
    renderer = check_renderer(checkpoint.config) if checkpoint.config.uses_pixels else None
    agent, env = load_agent(checkpoint, device=device)
    try:
        resets = tqdm(range(seed, seed + n_episodes), unit="episode", mininterval=1)
        episodes = [run_episode(agent, env, reset) for reset in resets]
    finally:
        env.close()
    return {
        "checkpoint": str(path),
        "config_tag": tag(checkpoint.config),
        "track": track(checkpoint.config),
        "env_id": checkpoint.config.env,
        "seed": checkpoint.config.seed,
        "step": checkpoint.step,
        "estimator": "mean action of this checkpoint, seeded resets, success at the last step",
        "episodes": n_episodes,
        "evaluation_seed": seed,
        "metrics": metrics(episodes),
        "gl_renderer": renderer,
        **provenance(),
    }


def track(config: TrainConfig) -> str:
    """What a success rate is evidence of; figures of two tracks never share a row."""
    if not config.uses_pixels:
        return "no pixels"
    return "rewards alone" if config.belief else "end to end"


def metrics(episodes: list[Episode]) -> dict[str, Any]:
    """Success rate with its 95 % Wilson interval, return, distance in metres, time to success in steps."""
    successes = sum(episode.success for episode in episodes)
    times = [episode.time_to_success for episode in episodes if episode.time_to_success is not None]
    return {
        "success_rate": successes / len(episodes),
        "success_interval": list(wilson_interval(successes, len(episodes))),
        "mean_return": float(np.mean([episode.total_reward for episode in episodes])),
        "mean_goal_distance": float(np.mean([episode.final_distance for episode in episodes])),
        "mean_time_to_success": float(np.mean(times)) if times else None,
        "n_successes": successes,
    }


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval for a proportion (Wilson 1927); 95 % with the default ``z``."""
    rate = successes / trials
    centre = rate + z * z / (2 * trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def write_result(result: dict[str, Any], results_dir: str | Path) -> Path:
    """Writes ``{checkpoint's name}_eval.json``; an earlier evaluation stays, the new one is then numbered."""
    Path(results_dir).mkdir(parents=True, exist_ok=True)
    stem = Path(result["checkpoint"]).stem
    path, number = Path(results_dir) / f"{stem}_eval.json", 2
    while path.exists():
        path, number = Path(results_dir) / f"{stem}_eval-{number}.json", number + 1
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
