"""Which of fast-state's first choices do the work: each arm has the chapter's value of one field, and all else as is.

The last arms have several of them: what the recipe is now came out of this table. On FetchPush from state, where
nothing is rendered. A run stops soon after the first recipe's own take-off.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visual_her.config import TrainConfig
from visual_her.evaluation import evaluate
from visual_her.learning_curves import find_runs
from visual_her.provenance import provenance
from visual_her.recipes import recipe
from visual_her.training import train

from acceptance import outcomes

TABLE = Path(__file__).parent / "ablation.csv"
STEPS, EPISODES = 150_000, 200

FIRST: dict[str, Any] = {"tau": 0.02, "net_arch": (256, 256, 256), "ent_coef": 0.02, "her_n_sampled_goal": 4}

ARMS: dict[str, tuple[dict[str, Any], str]] = {
    "fast-state as first written": ({}, "60 to 90 %"),
    "vectors as they are": ({"standardize": False}, "chance: positions differ by centimetres around 1.3 m"),
    "learning rate 1e-4": ({"learning_rate": 1e-4}, "chance, or barely off it"),
    "tau 0.005": ({"tau": 0.005}, "below the recipe: targets follow four times slower"),
    "entropy coefficient 0.05": ({"ent_coef": 0.05}, "below the recipe: a noisier hand loses the puck"),
    "targets not clipped": ({"clip_targets": False}, "as the recipe, or a little later"),
    "no uniformly random actions": ({"random_actions": 0.0}, "later, or on one seed not at all"),
    "2 hidden layers of 256": ({"net_arch": (256, 256)}, "a little later"),
    "1 update a vectorised step": ({"gradient_steps": 1}, "later: take-off goes by updates"),
    "k = 8": ({"her_n_sampled_goal": 8}, "as the recipe"),
    "tau 0.005, 2 hidden layers, k = 8": (
        {"tau": 0.005, "net_arch": (256, 256), "her_n_sampled_goal": 8},
        "the three that turned out better on seed 0, together: take-off before 60 k, above 95 %",
    ),
    "tau 0.005, 2 hidden layers": (
        {"tau": 0.005, "net_arch": (256, 256)},
        "the two that were better on both seeds: take-off at 60 to 85 k, 92 to 98 %",
    ),
    "tau 0.005, 2 hidden layers, k = 8, entropy coefficient 0.05": (
        {"tau": 0.005, "net_arch": (256, 256), "her_n_sampled_goal": 8, "ent_coef": 0.05},
        "the chapter's values wherever no arm speaks against them: as the two alone, on one seed a little later",
    ),
    "the same, episodes without contact replayed a tenth as often": (
        {"tau": 0.005, "net_arch": (256, 256), "her_n_sampled_goal": 8, "ent_coef": 0.05, "still_weight": 0.1},
        "take-off 10 to 30 k sooner on both seeds: before contact relabelled goals say nothing of a push",
    ),
}


@dataclass(frozen=True)
class Outcome:
    """One run: a row of ``ablation.csv``.

    Attributes:
        successes: of fresh episodes with the mean action, after the last step.
        take_off: env steps from which the stochastic policy's success stays above 15 %; NaN if it never does.
    """

    arm: str
    seed: int
    successes: int
    episodes: int
    take_off: float
    seconds: float
    git_commit: str
    cpu: str


def config_of(arm: str, seed: int) -> TrainConfig:
    """What an arm trains; its folders are relative."""
    shorter: dict[str, Any] = {
        "total_steps": STEPS,
        "buffer_size": STEPS,
        "checkpoint_freq": 0,
        "checkpoint_buffer": False,
    }
    return dataclasses.replace(recipe("fast-state"), **{**FIRST, **shorter, **ARMS[arm][0]}, seed=seed)


def play(arm: str, seed: int) -> Outcome:
    """Trains and evaluates one arm in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        trained = train(config_of(arm, seed))
        successes = evaluate(trained.checkpoint, n_episodes=EPISODES, device="cpu")["metrics"]["n_successes"]
        (curve,) = find_runs([trained.paths.run_dir])
    facts = provenance()
    return Outcome(
        arm, seed, successes, EPISODES, float(curve.steps_to(0.15)[0]), round(trained.seconds, 1),
        facts["git_commit"] or "-", facts["hardware"]["cpu"],
    )  # fmt: skip


def ablate(seeds: Iterable[int], jobs: int, table: Path = TABLE) -> None:
    """Runs whatever arm and seed ``table`` does not hold yet."""
    outcomes.complete(table, Outcome, play, ARMS, seeds, jobs)


def read(table: Path = TABLE) -> list[Outcome]:
    """The rows so far."""
    return outcomes.read(table, Outcome)


def rows(run: list[Outcome]) -> list[tuple[str, ...]]:
    """A line an arm: success and take-off of every seed, in the order of the seeds."""
    lines: list[tuple[str, ...]] = []
    for name, (_, expected) in ARMS.items():
        of_arm = sorted((one for one in run if one.arm == name), key=lambda one: one.seed)
        if of_arm:
            rates = ", ".join(f"{100 * one.successes / one.episodes:.0f} %" for one in of_arm)
            off = ", ".join(
                "never" if one.take_off != one.take_off else f"{one.take_off / 1000:.0f} k" for one in of_arm
            )
            lines.append((name, rates, off, expected))
    return lines
