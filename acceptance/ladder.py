"""The chapter's ladder without its confounds: arms that differ from their base by what they are named after.

On the cheapest task that can tell them apart, where the object is nowhere but in the pixels: a run takes a minute.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import statistics
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visual_her.config import CHAPTER, TrainConfig
from visual_her.diagnosis import PROBE, read_curve
from visual_her.evaluation import evaluate
from visual_her.learning_curves import find_runs
from visual_her.provenance import provenance
from visual_her.training import train

from acceptance import outcomes

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
    """A configuration, what it was expected to show before any seed of it was run, and whether it was stopped.

    Attributes:
        differs: from ``BASE``.
        expected: its success, in words.
        half_way: when it was expected to be there, against the base, before any was timed; "" where nothing was.
        stopped_at: env steps after which the run is stopped, and resumed with or without its replay buffer.
    """

    differs: dict[str, Any]
    expected: str
    half_way: str = ""
    stopped_at: int | None = None


ARMS = {
    "base": Arm({}, "above 90 %", "1,000 to 2,000 steps"),
    "blank pixels": Arm({"blank_pixels": True}, "chance, below 20 %"),
    "achieved goal shown": Arm({"goal_mode": "both"}, "above 90 %, without any need of sight", "sooner"),
    "achieved goal shown, blank pixels": Arm({"goal_mode": "both", "blank_pixels": True}, "the same", "sooner"),
    "separate encoders": Arm({"critic_encoder": False}, "below the base, above chance", "later"),
    "shared encoder": Arm({"critic_encoder": False, "share_encoder": True}, "well below the base"),
    "flattened map": Arm({"spatial_softmax": False}, "below the base: more to learn", "later"),
    "DrQ": Arm({"drq": True}, "below the base: 4 pixels are more than the tolerance", "twice as late"),
    "DrQ, flattened map": Arm({"drq": True, "spatial_softmax": False}, "no better than the flattened map"),
    "DrQ by 1 pixel": Arm({"drq": True, "drq_pad": 1}, "as the base", "a little later"),
    "feature_norm": Arm({"feature_norm": True}, "as the base", "as the base"),
    "NatureCNN": Arm({"encoder": "nature"}, "below the base"),
    "k = 8": Arm({"her_n_sampled_goal": 8}, "as the base", "as the base"),
    "HER off": Arm({"her_n_sampled_goal": 0}, "below 30 %"),
    "resumed at 1,000, buffer kept": Arm({"checkpoint_buffer": True}, "as the base", "as the base", stopped_at=1_000),
    "resumed at 1,000, buffer emptied": Arm({}, "as the base: little was in it", "later", stopped_at=1_000),
    "resumed at 3,000, buffer kept": Arm({"checkpoint_buffer": True}, "as the base", "as the base", stopped_at=3_000),
    "resumed at 3,000, buffer emptied": Arm({}, "80 to 100 %: 1,000 steps refill it", "as the base", stopped_at=3_000),
}


@dataclass(frozen=True)
class Outcome:
    """One run: a row of ``ladder.csv``.

    Attributes:
        successes: of fresh episodes with the mean action, after the last step.
        half_way: env steps from which the stochastic policy's success stays above 50 %; NaN if it never does.
        probe_error: of the linear probe in the run's last row, in hundredths of half the picture's width.
    """

    arm: str
    seed: int
    successes: int
    episodes: int
    half_way: float
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
        config = config_of(arm, seed)
        if stop := ARMS[arm].stopped_at:
            stopped = train(dataclasses.replace(config, total_steps=stop))
            config = dataclasses.replace(config, resume=str(stopped.checkpoint))
        trained = train(config)
        metrics = evaluate(trained.checkpoint, n_episodes=EPISODES, device="cpu")["metrics"]
        probe = read_curve(trained.paths.run_dir).series.get(PROBE)
        (curve,) = find_runs([trained.paths.run_dir])
    facts = provenance()
    return Outcome(
        arm, seed, metrics["n_successes"], EPISODES, float(curve.steps_to(0.5)[0]),
        float(probe[1][-1]) if probe else float("nan"), round(trained.seconds, 1),
        facts["git_commit"] or "-", facts["hardware"]["cpu"],
    )  # fmt: skip


def climb(seeds: Iterable[int], jobs: int, table: Path = TABLE) -> None:
    """Runs whatever arm and seed ``table`` does not hold yet."""
    outcomes.complete(table, Outcome, play, ARMS, seeds, jobs)


def read(table: Path = TABLE) -> list[Outcome]:
    """The rows so far."""
    return outcomes.read(table, Outcome)


def rows(climbed: list[Outcome]) -> list[tuple[str, ...]]:
    """A line an arm: success of every seed, in the order of the seeds, and the steps to half of it."""
    lines: list[tuple[str, ...]] = []
    for name, arm in ARMS.items():
        of_arm = sorted((one for one in climbed if one.arm == name), key=lambda one: one.seed)
        if of_arm:
            each = ", ".join(f"{100 * one.successes / one.episodes:.0f}" for one in of_arm)
            half = ", ".join("never" if math.isnan(one.half_way) else f"{one.half_way:,.0f}" for one in of_arm)
            probe = statistics.mean(one.probe_error for one in of_arm)
            lines.append((name, f"{each} %", half, f"{probe / 100:.2f}", arm.expected, arm.half_way or "-"))
    return lines
