"""Committed runs and the tables made from them.

``curves/ARM/seedN/`` holds ``progress.csv``, ``meta.json`` (config, commit, hardware, wall-clock) and, where the run
was evaluated, ``eval.json``. ``arms.toml`` says of each arm what it is to show, written down before it was run.
An arm with ``history`` there is of code that is gone: its runs stay as they are, and their config is not read.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from visual_her import checkpoint as checkpoints
from visual_her.config import TrainConfig
from visual_her.diagnosis import SUCCESS, read_curve
from visual_her.errors import UsageError
from visual_her.evaluation import track
from visual_her.training import RunPaths

from acceptance import ablation, first_updates
from acceptance import ladder as rungs

HERE = Path(__file__).parent
CURVES, ARMS = HERE / "curves", HERE / "arms.toml"
TRACKS = ("end to end", "rewards alone", "no pixels")
EXPLANATION = {
    "end to end": "The encoder learns from the critic's loss alone.",
    "rewards alone": "No network has the object's position among its inputs or as a target: a success classifier on "
    "relabelled rewards teaches the encoder; replay reads achieved_goal, to choose goals, to compute rewards, and to "
    "draw episodes with contact more often. Goals near what was achieved are among those that the classifier gets.",
    "no pixels": "Nothing here is evidence of sight.",
}


@dataclass(frozen=True)
class Run:
    """One committed run.

    Attributes:
        arm: its name in ``arms.toml``.
        meta: what training wrote beside its last checkpoint.
        evaluation: what ``visual-her evaluate`` wrote of it, if it was evaluated.
        rollout: env steps and the stochastic success rate of the last 100 training episodes, at that checkpoint.
        best_rollout: the largest of these rates.
        minutes: of wall-clock, over all the sessions that the run took.
    """

    arm: str
    meta: dict[str, Any]
    evaluation: dict[str, Any] | None
    rollout: tuple[int, float]
    best_rollout: float
    minutes: float

    @classmethod
    def read(cls, folder: Path) -> Run:
        """The run in ``folder``."""
        meta = json.loads((folder / "meta.json").read_text())
        series = {  # it may have gone on
            name: [(int(x), float(y)) for x, y in zip(*points, strict=True) if x <= meta["step"]]
            for name, points in read_curve(folder, TrainConfig()).series.items()  # fields of its config may be gone
        }
        evaluation = folder / "eval.json"
        return cls(
            arm=folder.parent.name,
            meta=meta,
            evaluation=json.loads(evaluation.read_text()) if evaluation.exists() else None,
            rollout=series[SUCCESS][-1],
            best_rollout=max(rate for _, rate in series[SUCCESS]),
            minutes=minutes([seconds for _, seconds in series["time/time_elapsed"]]),
        )

    @property
    def track(self) -> str:
        """Which table it belongs to."""
        return track(TrainConfig.from_json(self.meta["config"]))

    def row(self) -> tuple[str, ...]:
        """Its line of a table."""
        meta, evaluated = self.meta, self.evaluation
        rate = interval = episodes = "-"
        processor = re.sub(r"\(R\)| Processor", "", meta["hardware"]["cpu"])
        if evaluated:
            low, high = evaluated["metrics"]["success_interval"]
            rate, episodes = f"{100 * evaluated['metrics']['success_rate']:.1f} %", f"{evaluated['episodes']}"
            interval = f"{100 * low:.1f} to {100 * high:.1f} %"
        return (
            f"`{self.arm}`",
            str(meta["seed"]),
            f"{meta['step']:,}",
            rate,
            interval,
            episodes,
            f"{100 * self.rollout[1]:.0f} % (best {100 * self.best_rollout:.0f} %)",
            f"{self.minutes:.0f} min",
            f"{meta['hardware']['cores']} cores of {processor}, {meta['hardware']['gpu'] or 'no GPU'}",
            meta["git_commit"] or "-",
        )


COLUMNS = (
    "Arm", "Seed", "Env steps", "Success", "95 % interval", "Episodes", "Rollout", "Training", "Hardware", "Commit",
)  # fmt: skip


def minutes(elapsed: Sequence[float]) -> float:
    """Of all sessions: each starts the clock anew, so the last reading before it falls is that of a whole session."""
    return sum(now for now, after in pairwise([*elapsed, 0.0]) if after < now) / 60


def collect(checkpoint: Path, arm: str, results_dir: Path, curves: Path = CURVES) -> Path:
    """Copies what a claim needs of the run that ends with ``checkpoint``; an earlier copy of it is replaced.

    Raises:
        UsageError: the arm is not described, or a file of the run is missing.
    """
    if arm not in arms():
        raise UsageError(f"arm {arm!r} is not in {ARMS.name}: write down there what it is to show.")
    stored = checkpoints.read(checkpoint)
    progress = RunPaths.of(stored.config).progress
    meta = checkpoint.with_suffix(".meta.json")
    for needed in (progress, meta):
        if not needed.exists():
            raise UsageError(f"{needed} is missing: run this from the folder in which the run was started.")
    folder = curves / arm / f"seed{stored.config.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(progress, folder / "progress.csv")
    shutil.copyfile(meta, folder / "meta.json")
    evaluations = list(results_dir.glob(f"{checkpoint.stem}_eval*.json"))
    if evaluations:
        shutil.copyfile(max(evaluations, key=lambda path: path.stat().st_mtime), folder / "eval.json")
    return folder


def arms() -> dict[str, dict[str, str]]:
    """Name -> ``command``, ``expected``, after the run ``found``, and ``history`` where the command works no more."""
    return tomllib.loads(ARMS.read_text())


def runs(curves: Path, *, history: bool = False) -> list[Run]:
    """The committed runs of arms that are history, or of all others, in the order of ``arms.toml`` and the seeds."""
    found = [Run.read(path.parent) for path in curves.glob("*/seed*/progress.csv")]
    order = list(arms())
    chosen = [run for run in found if ("history" in arms()[run.arm]) == history]
    return sorted(chosen, key=lambda run: (order.index(run.arm), run.meta["seed"]))


def page(curves: Path) -> str:
    """``RESULTS.md``."""
    committed = runs(curves)
    parts = [INTRODUCTION]
    for name in TRACKS:
        rows = [run.row() for run in committed if run.track == name]
        parts += [f"## {name.capitalize()}", EXPLANATION[name], _table(COLUMNS, rows) if rows else "No run yet."]
    climbed = rungs.rows(rungs.read())
    if climbed:
        parts += [LADDER, _table(LADDER_COLUMNS, climbed)]
    ablated = ablation.rows(ablation.read())
    if ablated:
        parts += [ABLATION, _table(ABLATION_COLUMNS, ablated)]
    learned = first_updates.rows(first_updates.read())
    if learned:
        parts += [FIRST_UPDATES, _table(FIRST_UPDATES_COLUMNS, learned)]
    past = [(*run.row(), run.evaluation["track"] if run.evaluation else "-") for run in runs(curves, history=True)]
    if past:
        parts += [HISTORY, _table((*COLUMNS, "Track"), past)]
    described = [
        (
            f"`{name}`",
            f"`{arm['command']}`" + (f" at commit {arm['history']}" if "history" in arm else ""),
            arm["expected"],
            arm.get("found", "not run yet"),
        )
        for name, arm in arms().items()
    ]
    parts += ["## The arms", _table(("Arm", "Command", "Expected, before it was run", "Found"), described), CHAPTER]
    return "\n\n".join(parts) + "\n"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


INTRODUCTION = """# Results

Made by `python -m acceptance results` from [`curves/`](curves/) and [`arms.toml`](arms.toml).

*Success* is that of fresh episodes with the mean action, from the run's last checkpoint, with Wilson's interval over
episodes (`visual-her evaluate`); it says nothing about other seeds. *Rollout* is the estimator of the chapter's
curves: the stochastic policy's mean over the last 100 training episodes, at that checkpoint, and its largest value.
*Training* is wall-clock, on a machine that may have had other work: the arm's remark says so."""

LADDER_COLUMNS = (
    "Arm", "Success, each seed", "Half-way, each seed", "Probe error", "Expected success, before any was run",
    "Expected half-way, before any was timed",
)  # fmt: skip
LADDER = """## The ladder, on a tiny task

`python -m acceptance ladder`, from [`ladder.py`](ladder.py): each arm differs from the base by what it is named after.
The task shows its object nowhere but in 36x36 pixels, among distractors; 4,000 env steps, then 200 fresh episodes with
the mean action; blank pixels are chance. Half-way are the env steps from which the stochastic policy's success in its
last 100 episodes stays at 50 %: it ranks the arms that end at 100 %. The probe's error is in units of half the
picture's width, the tolerance 0.2 of them. It tells what the parts do when nothing else differs; that FetchPush behaves
alike is not shown. Wrong expectations: the base is half-way at 2.5 k, not before 2 k; separate encoders and the
flattened map end no lower than the base but on one seed, only later; HER off is above 30 % on two seeds."""

ABLATION_COLUMNS = ("", "Success, each seed", "Take-off, each seed", "Expected, before any was run")
ABLATION = """## What does the work in `fast-state`

`python -m acceptance ablation`, from [`ablation.py`](ablation.py): FetchPush from the 25-D state for 150,000 env steps,
by the recipe as it was first written (tau 0.02, three hidden layers, k = 4, entropy coefficient 0.02). Each arm has
the chapter's value of one field, the last ones those of several. Success is that of 200 fresh episodes with the mean
action; take-off are the env steps from which the stochastic policy's success in its last 100 episodes stays at 15 %.
Wrong expectations: tau 0.005 and two hidden layers are better than the recipe's first values, k = 8 is on one seed, the
three together are no better still; the larger entropy coefficient is as good; targets that are not clipped cost more
than a little. `fast-state` is the last arm but one now: the chapter's, wherever no arm speaks against them."""

FIRST_UPDATES_COLUMNS = ("", "Before", "After, each seed", "Spread", "Expected, before any was run")
FIRST_UPDATES = """## What the critic's loss teaches the encoder first

`python -m acceptance first-updates`, from [`first_updates.py`](first_updates.py): FetchPush end to end, with batches of
128 and one frame of 42x42, and where nothing else is said no DrQ, torch's initial weights, tau 0.02 and 3 hidden
layers, as recipe `fast` was then. The linear probe's error, how far the puck is from where the features put it, after
16,000 random steps and after 1,000 updates more, from 4,000 transitions; *spread* is the features' mean standard
deviation then. Nothing succeeds so early: it says how soon the encoder begins to see, and a longer run
(`push-42-ortho`, below) lost what it had gained. Wrong expectations: all arms but ortho_init and the shared encoder did
better than was written down, DrQ by 4 pixels most of all; tau 0.005 did not help. Three more arms in
[`first_updates.csv`](first_updates.csv), with eight goals a transition, are history: commit cc234e2 is the last that
has their fields."""

HISTORY = """## History: arms of code that is no longer there

Their commands work at the commit that *The arms* names, and their figures do not change. *Privileged in training*: the
true position of the object taught, too, and evaluation saw pixels, proprioception and desired goal only; not to be
compared with a row of another table. `push-42` and what is named after it were end to end, `fast-state-random` saw no
pixels; none of them was evaluated.

[`eyes.csv`](eyes.csv) (how well a puck can be seen under a camera) and [`SHIFT.md`](SHIFT.md) were made by code that is
gone, too; commit cc234e2 is the last that has it."""

CHAPTER = """## The chapter's figures, beside them

One seed, rollout success rate (stochastic, last 100 episodes), no interval; FetchPush-v4 from 84x84 pixels with
`goal_mode="both"`, which shows the puck's position to the networks; an NVIDIA DGX, 28 to 30 env steps a second.

| Env steps | Success there |
|---|---|
| 500,000 | 4 to 8 % |
| 1,000,000 | 6 to 10 % |
| 2,000,000 | 10 to 15 % |
| 2,500,000 | 30 to 60 % (checkpoint: about 60 %) |
| 3,000,000 | 85 to 93 % (checkpoint: about 92 %) |
| 3,500,000 | 95 % |
| 4,000,000 | 96 %, about 25 hours |
| 2,000,000, full-state control | 85 to 90 %, take-off at about 1.2 M |"""
