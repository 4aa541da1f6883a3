"""What its first updates teach an end-to-end encoder: minutes of FetchPush itself, long before any success.

Every end-to-end run on FetchPush is at chance for its first hours on two cores. Whether the critic's loss shows the
encoder where the puck is can be read much earlier, by the linear probe.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visual_her.config import TrainConfig
from visual_her.diagnosis import CRITIC, read_curve
from visual_her.probe import Probed, probe
from visual_her.provenance import provenance
from visual_her.recipes import recipe
from visual_her.sac import PixelSAC
from visual_her.training import train

from acceptance import outcomes

TABLE = Path(__file__).parent / "first_updates.csv"
RANDOM_STEPS, UPDATES, PROBED = 16_000, 1_000, 4_000
FROM_PIXELS: dict[str, Any] = {
    "full_state": False, "critic_encoder": True, "goal_mode": "desired", "goal_marker": "hidden", "camera": "table",
    "precision": "bfloat16", "image_size": 42, "frame_stack": 1, "batch_size": 128, "drq": False, "device": "cpu",
    "learning_starts": RANDOM_STEPS, "total_steps": RANDOM_STEPS + 4 * UPDATES, "buffer_size": 2 * RANDOM_STEPS,
    "checkpoint_freq": 0, "tau": 0.02, "net_arch": (256, 256, 256), "her_n_sampled_goal": 4, "ent_coef": 0.02,
}  # fmt: skip
SHARED = {"critic_encoder": False, "share_encoder": True}

ARMS: dict[str, tuple[dict[str, Any], str]] = {
    "torch's initial weights": ({}, "8 to 14 cm: one seed had been looked at on other transitions"),
    "ortho_init": ({"ortho_init": True}, "3 to 5 cm: the same"),
    "feature_norm": ({"feature_norm": True}, "5 to 8 cm"),
    "ortho_init, flattened map": ({"ortho_init": True, "spatial_softmax": False}, "5 to 8 cm: more to learn"),
    "ortho_init, DrQ by 4 pixels": ({"ortho_init": True, "drq": True}, "6 to 10 cm: 4 of 42 pixels are 10 cm"),
    "ortho_init, DrQ by 2 pixels": ({"ortho_init": True, "drq": True, "drq_pad": 2}, "as ortho_init, by one look"),
    "ortho_init, tau 0.005": ({"ortho_init": True, "tau": 0.005}, "1 cm better than ortho_init, by one look"),
    "ortho_init, shared encoder": ({"ortho_init": True, **SHARED}, "no better than before the first update"),
}


@dataclass(frozen=True)
class Outcome:
    """One run: a row of ``first_updates.csv``; errors of the linear probe in centimetres."""

    arm: str
    seed: int
    before_cm: float
    after_cm: float
    spread: float
    critic_loss: float
    seconds: float
    git_commit: str
    cpu: str


def config_of(arm: str, seed: int) -> TrainConfig:
    """What an arm trains; its folders are relative."""
    return dataclasses.replace(recipe("fast-state"), **{**FROM_PIXELS, **ARMS[arm][0], "seed": seed})


def play(arm: str, seed: int) -> Outcome:
    """Random actions, then updates; the linear probe before the first of them and after the last."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        config = config_of(arm, seed)
        untrained = train(dataclasses.replace(config, total_steps=RANDOM_STEPS))
        before = _probed(untrained.agent)
        trained = train(dataclasses.replace(config, resume=str(untrained.checkpoint)))
        after = _probed(trained.agent)
        loss = read_curve(trained.paths.run_dir).series[CRITIC][1][-1]
    facts = provenance()
    return Outcome(
        arm, seed, round(100 * before.error, 2), round(100 * after.error, 2), round(after.spread, 4),
        round(float(loss), 4), round(untrained.seconds + trained.seconds, 1), facts["git_commit"] or "-",
        facts["hardware"]["cpu"],
    )  # fmt: skip


def learn(seeds: Iterable[int], jobs: int, table: Path = TABLE) -> None:
    """Trains whatever arm and seed ``table`` does not hold yet."""
    outcomes.complete(table, Outcome, play, ARMS, seeds, jobs)


def read(table: Path = TABLE) -> list[Outcome]:
    """The rows so far."""
    return outcomes.read(table, Outcome)


def rows(learned: list[Outcome]) -> list[tuple[str, ...]]:
    """A line an arm: the probe's error of every seed, in the order of the seeds."""
    lines: list[tuple[str, ...]] = []
    for name, (_, expected) in ARMS.items():
        of_arm = sorted((one for one in learned if one.arm == name), key=lambda one: one.seed)
        if of_arm:
            before = ", ".join(f"{one.before_cm:.1f}" for one in of_arm)
            after = ", ".join(f"{one.after_cm:.1f}" for one in of_arm)
            spread = statistics.mean(one.spread for one in of_arm)
            lines.append((name, f"{before} cm", f"{after} cm", f"{spread:.3f}", expected))
    return lines


def _probed(agent: PixelSAC) -> Probed:
    probed = probe(agent, PROBED)
    assert probed is not None
    return probed
