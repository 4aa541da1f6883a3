"""For a GPU that is there for minutes: what draws, how fast, then a run and its evaluation, in one command."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from visual_her.evaluation import evaluate, write_result
from visual_her.preflight import check_device, check_renderer
from visual_her.recipes import recipe
from visual_her.training import train
from visual_her.vec_env import make_vec_env

SECONDS = 10.0  # of collection with random actions


def measure(out: Path, *, name: str, seed: int, minutes: float, episodes: int, device: str) -> None:
    """Leaves run folder, checkpoint without replay buffer, evaluation and ``speeds.json`` in ``out``, which is made.

    Each figure is printed and kept as soon as it is known: the machine can be taken away at any moment.

    Args:
        out: a folder; a run that is there already is refused.
        name: of the recipe.
        seed: of the run.
        minutes: of training.
        episodes: of the evaluation.
        device: cpu, cuda, or auto.
    """
    config = dataclasses.replace(
        recipe(name), seed=seed, time_budget=minutes, device=device, checkpoint_freq=0, checkpoint_buffer=False
    )
    check_device(device)
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(out):
        speeds: dict[str, Any] = {"recipe": name, "renderer": check_renderer(config)}
        speeds["collected_steps_per_second"] = round(_collection(make_vec_env(config)), 1)
        _keep(speeds)
        result = train(config)
        meta = json.loads(result.checkpoint.with_suffix(".meta.json").read_text())
        speeds |= {
            "device": meta["device"],
            "env_steps": result.step,
            "env_steps_per_second": meta["steps_per_sec"],
            "updates_per_second": round(meta["updates"] / result.seconds, 1),
            "seconds_of_training": round(result.seconds, 1),
        }
        _keep(speeds)
        evaluation = evaluate(result.checkpoint, n_episodes=episodes, device=device)
        write_result(evaluation, config.results_dir)
        _keep({**speeds, "evaluation": evaluation["metrics"]})


def _collection(env: VecEnv) -> float:
    """Env steps a second with random actions; the first five steps, which open the GL contexts, do not count."""
    rng = np.random.default_rng(0)

    def step() -> None:
        env.step(rng.uniform(-1, 1, (env.num_envs, *(env.action_space.shape or ()))).astype(np.float32))

    try:
        env.reset()
        for _ in range(5):
            step()
        started, counted = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            step()
            counted += env.num_envs
        return counted / (time.perf_counter() - started)
    finally:
        env.close()


def _keep(speeds: dict[str, Any]) -> None:
    print(json.dumps(speeds, indent=2), flush=True)
    Path("speeds.json").write_text(json.dumps(speeds, indent=2) + "\n")
