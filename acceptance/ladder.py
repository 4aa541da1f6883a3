"""The chapter's ladder without its confounds: arms that differ from their base by what they are named after.

On the cheapest task that can tell them apart, where the object is nowhere but in the pixels: a run takes a minute.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import statistics
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm
from visual_her.config import CHAPTER, TrainConfig
from visual_her.diagnosis import PROBE, read_curve
from visual_her.evaluation import evaluate
from visual_her.provenance import provenance
from visual_her.training import train

TABLE = Path(__file__).parent / "ladder.csv"
EPISODES = 200
BASE = dataclasses.replace(
    CHAPTER, env="acceptance.sight_task:Sight-v0", goal_mode="desired", image_size=36, num_filters=16, n_envs=8,
    her_n_sampled_goal=4, gradient_steps=4, batch_size=64, net_arch=(128, 128), learning_rate=1e-3, tau=0.02, gamma=0.9,
    ent_coef=0.01, learning_starts=500, total_steps=4_000, buffer_size=4_000, checkpoint_freq=0, torch_threads=1,
    device="cpu", overlap=True, checkpoint_buffer=False, patience=3_000,
)  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """A configuration, and what it was expected to show before any arm was run."""

    differs: dict[str, Any]
    expected: str


ARMS = {
    "base": Arm({}, "above 90 %"),
    "blank pixels": Arm({"blank_pixels": True}, "chance, below 20 %"),
    "achieved goal shown": Arm({"goal_mode": "both"}, "above 90 %, without any need of sight"),
    "achieved goal shown, blank pixels": Arm({"goal_mode": "both", "blank_pixels": True}, "the same"),
    "separate encoders": Arm({"critic_encoder": False}, "below the base, above chance"),
    "shared encoder": Arm({"critic_encoder": False, "share_encoder": True}, "well below the base"),
    "flattened map": Arm({"spatial_softmax": False}, "below the base: more to learn"),
    "DrQ": Arm({"drq": True}, "below the base: 4 pixels are more than the tolerance"),
    "DrQ, flattened map": Arm({"drq": True, "spatial_softmax": False}, "no better than the flattened map"),
    "DrQ by 1 pixel": Arm({"drq": True, "drq_pad": 1}, "as the base"),
    "feature_norm": Arm({"feature_norm": True}, "as the base"),
    "NatureCNN": Arm({"encoder": "nature"}, "below the base"),
    "k = 8": Arm({"her_n_sampled_goal": 8}, "as the base"),
    "HER off": Arm({"her_n_sampled_goal": 0}, "below 30 %"),
}


@dataclass(frozen=True)
class Outcome:
    """One run: a row of ``ladder.csv``."""

    arm: str
    seed: int
    successes: int
    episodes: int
    probe_error: float
    seconds: float
    git_commit: str
    cpu: str


def config_of(arm: str, seed: int) -> TrainConfig:
    """What an arm trains; its folders are relative."""
    return dataclasses.replace(BASE, **ARMS[arm].differs, seed=seed)


def play(arm: str, seed: int) -> Outcome:
    """Trains and evaluates one arm in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        trained = train(config_of(arm, seed))
        metrics = evaluate(trained.checkpoint, n_episodes=EPISODES, device="cpu")["metrics"]
        probe = read_curve(trained.paths.run_dir).series.get(PROBE)
    facts = provenance()
    return Outcome(
        arm, seed, metrics["n_successes"], EPISODES, float(probe[1][-1]) if probe else float("nan"),
        round(trained.seconds, 1), facts["git_commit"] or "-", facts["hardware"]["cpu"],
    )  # fmt: skip


def climb(seeds: Iterable[int], jobs: int, table: Path = TABLE) -> None:
    """Runs whatever arm and seed ``table`` does not hold yet; each row is written as soon as it is there."""
    done = {(one.arm, one.seed) for one in read(table)}
    missing = [(arm, seed) for seed in seeds for arm in ARMS if (arm, seed) not in done]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        pending = [pool.submit(play, *one) for one in missing]
        for finished in tqdm(as_completed(pending), total=len(pending), unit="run"):
            _append(table, finished.result())


def read(table: Path = TABLE) -> list[Outcome]:
    """The rows so far."""
    if not table.exists():
        return []
    kinds = {"seed": int, "successes": int, "episodes": int, "probe_error": float, "seconds": float}
    with open(table, newline="") as file:
        return [Outcome(**{k: kinds.get(k, str)(v) for k, v in row.items()}) for row in csv.DictReader(file)]


def rows(outcomes: list[Outcome]) -> list[tuple[str, ...]]:
    """A line an arm: every seed's success rate, in the order of the seeds, and their mean."""
    lines: list[tuple[str, ...]] = []
    for name, arm in ARMS.items():
        of_arm = sorted((one for one in outcomes if one.arm == name), key=lambda one: one.seed)
        rates = [100 * one.successes / one.episodes for one in of_arm]
        if rates:
            each = ", ".join(f"{rate:.0f}" for rate in rates)
            probe = statistics.mean(one.probe_error for one in of_arm)
            lines.append((name, f"{statistics.mean(rates):.0f} %", each, f"{probe / 100:.2f}", arm.expected))
    return lines


def _append(table: Path, outcome: Outcome) -> None:
    new = not table.exists()
    with open(table, "a", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Outcome)], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(dataclasses.asdict(outcome))
