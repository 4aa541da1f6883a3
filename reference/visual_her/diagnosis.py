"""``visual-her diagnose RUN``: the phase of a run from its trends, and what to look at instead of being patient.

The phases are the chapter's (section 9.7): failure, hockey-stick, convergence. None of the curves tells them apart
alone: a critic loss that falls means failure where success is flat, and convergence where it is high.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from visual_her.config import TrainConfig
from visual_her.errors import UsageError

Trend = Literal["falling", "flat", "rising", "unknown"]
Phase = Literal["too early", "failure", "hockey-stick", "convergence", "plateau", "collapse"]
Series = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # env steps, values

SUCCESS, CRITIC, ACTOR = "rollout/success_rate", "train/critic_loss", "train/actor_loss"
MOVED, PROBE, BELIEF = "rollout/object_moved_rate", "train/probe_error_cm", "train/belief_error_cm"
GRADIENT, SPREAD, FPS = "train/encoder_gradient", "train/feature_spread", "time/fps"

CHANCE = 0.15  # 6.7 % of FetchPush resets lie at the goal, and 100 episodes show up to twice that
CONVERGED = 0.85  # of the stochastic policy; the mean action is a few points better
LATEST = 0.2  # of the run: what a trend is read from
LEAST_ROWS = 10


@dataclass(frozen=True)
class Curve:
    """What a run has logged, and what is known of how it was started.

    Attributes:
        series: metric -> its env steps and values.
        config: of the run, or ``None`` for a foreign one.
        meta: renderer and hardware, where they are known.
    """

    series: dict[str, Series]
    config: TrainConfig | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Env steps so far."""
        return int(max((steps[-1] for steps, _ in self.series.values() if len(steps)), default=0))

    def latest(self, name: str) -> npt.NDArray[np.float64]:
        """The values of the last fifth of the run, and no fewer than ten rows; empty where there are fewer."""
        if name not in self.series:
            return np.empty(0)
        steps, values = self.series[name]
        since = steps[-1] - LATEST * (steps[-1] - steps[0])
        chosen = values[min(int(np.searchsorted(steps, since)), max(0, len(values) - LEAST_ROWS)) :]
        return chosen if len(chosen) >= LEAST_ROWS else np.empty(0)

    def level(self, name: str) -> float:
        """The median of the latest values; NaN where there are too few."""
        values = self.latest(name)
        return float(np.median(values)) if len(values) else math.nan

    def trend(self, name: str, *, least: float) -> Trend:
        """Whether the last third of the latest values differs from the first third by more than noise and ``least``."""
        values = self.latest(name)
        if not len(values) or not np.isfinite(values).all():
            return "unknown"
        third = len(values) // 3
        first, last = values[:third], values[-third:]
        noise = math.sqrt((first.var() + last.var()) / third)
        change = float(last.mean() - first.mean())
        if abs(change) <= max(least, 2 * noise):
            return "flat"
        return "rising" if change > 0 else "falling"


@dataclass(frozen=True)
class Diagnosis:
    """What a curve shows.

    Attributes:
        phase: one of the chapter's, or why there is none.
        because: the figures that the phase follows from.
        findings: what is wrong or worth a look, each with what to do.
    """

    phase: Phase
    because: str
    findings: list[str]


def read_curve(folder: Path, config: TrainConfig | None = None) -> Curve:
    """The curve of a run's folder: ``progress.csv``, else TensorBoard events with SB3's names.

    Args:
        folder: as the run's opening line names it.
        config: of the run; read from the meta JSON in the folder where it is not given.

    Raises:
        UsageError: there is no curve.
    """
    metas = sorted([*folder.glob("*.meta.json"), *folder.glob("meta.json")])
    meta = json.loads(metas[-1].read_text()) if metas else {}
    if config is None and "config" in meta:
        config = TrainConfig.from_json(meta["config"], any_version=True)
    if (folder / "progress.csv").exists():
        series = _from_csv(folder / "progress.csv")
    elif any(folder.rglob("events.out.tfevents.*")):
        series = _from_tensorboard(folder)
    else:
        raise UsageError(f"{folder} holds no progress.csv and no TensorBoard events: give the folder of a run's log.")
    if SUCCESS not in series and config is None:
        raise UsageError(f"{folder} has no {SUCCESS}: log the success rate of the rollouts, as SB3 does.")
    return Curve(series, config, meta)


def diagnose(curve: Curve) -> Diagnosis:
    """The phase, from success and both losses together, and every symptom that applies."""
    phase = _phase(curve)
    if phase == "too early":
        return Diagnosis(phase, f"{curve.steps:,} env steps, too few rows with losses to read a trend from", [])
    because = (
        f"success {100 * curve.level(SUCCESS):.0f} % and {curve.trend(SUCCESS, least=_least_change(curve))}, critic "
        f"loss {_loss_trend(curve, CRITIC)}, actor loss {_loss_trend(curve, ACTOR)}, at {curve.steps:,} env steps"
    )
    return Diagnosis(phase, because, [sentence for applies, sentence in SYMPTOMS if applies(curve, phase)])


def converged(curve: Curve) -> bool:
    """The chapter's rule to stop (section 9.7), in units of the recipe's ``patience``, which is 3 M steps there.

    Not before ``patience``; then success has to have been above 90 % for a sixth of it, while the critic loss falls.
    """
    patience = curve.config.patience if curve.config else TrainConfig.patience
    steps, success = curve.series.get(SUCCESS, (np.empty(0), np.empty(0)))
    if curve.steps < patience or not len(steps):
        return False
    recent = success[steps >= curve.steps - patience / 6]
    return bool((recent > 0.9).all()) and _loss_trend(curve, CRITIC) == "falling"


# ------------------------------------------------------------------------------------------- phase


def _phase(curve: Curve) -> Phase:
    level, success = curve.level(SUCCESS), curve.trend(SUCCESS, least=_least_change(curve))
    critic, actor = _loss_trend(curve, CRITIC), _loss_trend(curve, ACTOR)
    if not len(curve.latest(SUCCESS)) or not len(curve.latest(CRITIC)):
        return "too early"
    if success == "falling":
        return "collapse"
    if level >= CONVERGED:
        return "convergence" if success == "flat" or critic != "rising" else "hockey-stick"
    if success == "rising":
        return "hockey-stick"
    if level <= CHANCE:
        # Both losses move before success does: returns become different, and the actor gets something to climb.
        moving = critic == "rising" and actor == "falling" and curve.trend(MOVED, least=0.1) == "rising"
        return "hockey-stick" if moving else "failure"
    return "hockey-stick" if actor == "falling" else "plateau"  # Q still improves, or nothing does


def _least_change(curve: Curve) -> float:
    """Two standard errors of a success rate over the 100 episodes that each row averages."""
    level = min(max(curve.level(SUCCESS), 0.02), 0.98)
    return 2 * math.sqrt(level * (1 - level) / 100)


def _loss_trend(curve: Curve, name: str) -> Trend:
    """A loss has no natural unit: a tenth of its own size is a change."""
    return curve.trend(name, least=0.1 * abs(curve.level(name)))


# ---------------------------------------------------------------------------------------- symptoms


def _config(curve: Curve, **wanted: Any) -> bool:
    return curve.config is not None and all(getattr(curve.config, name) == value for name, value in wanted.items())


def _overdue(curve: Curve) -> bool:
    return curve.steps >= (curve.config.patience if curve.config else TrainConfig.patience)


def _not_improving(curve: Curve, name: str, centimetres: float) -> bool:
    return curve.level(name) > centimetres and curve.trend(name, least=0.5) != "falling"


Symptom = tuple[Callable[[Curve, Phase], bool], str]

SYMPTOMS: list[Symptom] = [
    (
        lambda curve, _: any(not np.isfinite(values[1]).all() for values in curve.series.values()),
        "a logged figure is not finite: go back to the last good checkpoint with a lower --learning-rate",
    ),
    (
        lambda curve, phase: phase == "failure" and _overdue(curve),
        "success is still at chance level (6.7 % of FetchPush resets already lie at the goal) where this recipe should "
        "have taken off: this is not patience any more, go through the points below",
    ),
    (
        lambda curve, phase: phase == "failure" and not _overdue(curve),
        "flat at chance level, as it should be before the take-off of this recipe: where there is an object to move, "
        "the share of episodes in which it moves rises first",
    ),
    (
        lambda curve, phase: phase == "failure" and _loss_trend(curve, CRITIC) == "falling",
        "the critic loss falls while success is flat: all returns look alike to the critic, which is no progress",
    ),
    (
        lambda curve, phase: (
            phase == "failure" and curve.config is not None and curve.config.encodes_pixels
            and not curve.config.critic_encoder
        ),
        "the critic does not train the encoder that acts: use --critic-encoder, and see visual-her verify policy",
    ),
    (
        lambda curve, _: curve.level(GRADIENT) == 0,
        "no gradient of the critic's loss reaches the encoder: see visual-her verify policy",
    ),
    (
        lambda curve, phase: (
            phase == "failure" and curve.config is not None and curve.config.uses_drq and curve.config.spatial_softmax
        ),
        "DrQ's shift moves the keypoints of SpatialSoftmax as far as the object moves: use --no-drq",
    ),
    (
        lambda curve, phase: phase == "failure" and _config(curve, blank_pixels=True),
        "the pixels are blank: this is the control, and chance level is what it is to show",
    ),
    (
        lambda curve, _: curve.level(SUCCESS) < CONVERGED and _config(curve, her_n_sampled_goal=0),
        "HER is off, and nearly every reward is the same: use --her-n-sampled-goal 4",
    ),
    (
        lambda curve, phase: (
            phase == "failure"
            and _config(curve, pixels=False, full_state=False)
            and not _config(curve, goal_mode="both")
        ),
        "neither pixels nor the achieved goal: nothing says where the object is, and chance level is all there is",
    ),
    (
        lambda curve, phase: phase == "failure" and _config(curve, pixels=False, full_state=False, goal_mode="both"),
        "--no-pixels leaves out how the object moves: the control with the 25-D state is --full-state",
    ),
    (
        lambda curve, phase: phase == "failure" and curve.level(MOVED) < CHANCE,
        "the object hardly ever moves, so that hindsight has nothing to relabel: the hands are what is missing, give "
        "them more exploration (--random-actions) and updates (--gradient-steps)",
    ),
    (
        lambda curve, _: _not_improving(curve, PROBE, 4) or _not_improving(curve, BELIEF, 4),
        "the error from the features to the object stays above 4 cm: the eyes are what is missing, try --camera table, "
        "and look at the encoder's gradient",
    ),
    (
        lambda curve, _: curve.level(SPREAD) < 1e-3,
        "the features are the same for every picture: the keypoints are stuck, look at the temperature and the input",
    ),
    (
        lambda curve, _: (
            bool(curve.meta.get("hardware", {}).get("gpu")) and software_renderer(curve.meta.get("gl_renderer"))
        ),
        "a machine with a GPU draws in software: install the driver's GL libraries (NVIDIA_DRIVER_CAPABILITIES=all)",
    ),
    (
        lambda curve, _: curve.level(FPS) < 15 and curve.config is not None and (curve.config.render_size or 0) > 168,
        "fewer than 15 env steps a second with a large --render-size: leave it out",
    ),
    (
        lambda _, phase: phase == "collapse",
        "success falls after it had risen: look at the critic loss, and compare with the last good checkpoint",
    ),
    (
        lambda _, phase: phase == "plateau",
        "success stands still in the middle: which half is missing, eyes (probe error) or hands (--no-pixels)?",
    ),
]  # fmt: skip


def software_renderer(renderer: str | None) -> bool:
    """Whether GL's renderer, by its name, is one of Mesa's on the CPU."""
    return bool(renderer) and any(name in str(renderer).lower() for name in ("llvmpipe", "softpipe", "swrast"))


# ----------------------------------------------------------------------------------------- reading


def _from_csv(path: Path) -> dict[str, Series]:
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("time/total_timesteps")]
    names = {name for row in rows for name in row if name}
    series = {}
    for name in names:
        points = [(float(row["time/total_timesteps"]), float(row[name])) for row in rows if row.get(name)]
        if points:
            series[name] = (np.array(points)[:, 0], np.array(points)[:, 1])
    return series


def _from_tensorboard(folder: Path) -> dict[str, Series]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    series: dict[str, Series] = {}
    files = sorted(folder.rglob("events.out.tfevents.*"))
    if len({file.parent for file in files}) > 1:
        raise UsageError(f"{folder} holds the events of several runs: give the folder of one of them.")
    for file in files:
        events = EventAccumulator(str(file), size_guidance={"scalars": 0})
        events.Reload()
        for name in events.Tags()["scalars"]:
            points = np.array([(event.step, event.value) for event in events.Scalars(name)], np.float64)
            steps, values = series.get(name, (np.empty(0), np.empty(0)))
            kept = steps < points[0, 0]  # a resumed run writes another file, from its checkpoint's step on
            series[name] = (np.append(steps[kept], points[:, 0]), np.append(values[kept], points[:, 1]))
    return series
