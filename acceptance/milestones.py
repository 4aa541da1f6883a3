"""Milestones: how far a run has to be trained, in slices, and what is measured there."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visual_her import checkpoint as checkpoints
from visual_her.config import TrainConfig
from visual_her.diagnosis import SUCCESS, read_curve
from visual_her.evaluation import evaluate, wilson_interval, write_result
from visual_her.recipes import recipe
from visual_her.training import RunPaths, train

MILESTONES = Path(__file__).parent / "milestones.toml"


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """A row of ``milestones.toml``.

    Attributes:
        name: shown in reports.
        recipe: of ``visual-her recipes``.
        step: env steps at which it is judged.
        estimator: ``eval`` or ``rollout``.
        episodes: that the success rate is taken over.
        bound: what the interval's lower bound has to clear; ``None`` where the figure is information.
        seeds: each is judged by itself.
        marks: in which selections it runs.
        source: where the figure is from.
    """

    name: str
    recipe: str
    step: int
    estimator: Literal["eval", "rollout"]
    episodes: int
    bound: float | None = None
    seeds: tuple[int, ...]
    marks: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Measured:
    """A success rate at a milestone's step, with its 95 % interval."""

    successes: int
    episodes: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's."""
        return wilson_interval(self.successes, self.episodes)

    def clears(self, bound: float | None) -> bool:
        """Whether the interval's lower bound is above ``bound``."""
        return bound is None or self.interval[0] > bound

    def __str__(self) -> str:
        """In words, with its interval."""
        low, high = self.interval
        rate = self.successes / self.episodes
        return f"{100 * rate:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of {self.episodes} episodes"


def load(path: Path = MILESTONES) -> list[Milestone]:
    """The milestones of a file, in its order."""
    rows = tomllib.loads(path.read_text())["milestone"]
    return [Milestone(**{**row, "seeds": tuple(row["seeds"]), "marks": tuple(row["marks"])}) for row in rows]


def config_of(milestone: Milestone, seed: int, run_dir: Path) -> TrainConfig:
    """The recipe, up to the milestone's step, with its files in ``run_dir``."""
    return dataclasses.replace(
        recipe(milestone.recipe),
        seed=seed,
        total_steps=milestone.step,
        log_dir=str(run_dir / "runs"),
        checkpoints_dir=str(run_dir / "checkpoints"),
        results_dir=str(run_dir / "results"),
    )


def step_of(config: TrainConfig) -> int:
    """Env steps of the newest checkpoint of this run; 0 if there is none."""
    existing = RunPaths.of(config).existing()
    return max((checkpoints.read(path).step for path in existing), default=0)


def advance(config: TrainConfig, minutes: float) -> int:
    """Trains or resumes for at most ``minutes`` towards ``config.total_steps``; returns the step that is reached."""
    existing = RunPaths.of(config).existing()
    newest = max(existing, key=lambda path: checkpoints.read(path).step, default=None)
    step = step_of(config)
    if step >= config.total_steps or minutes <= 0:
        return step
    sliced = dataclasses.replace(config, resume=str(newest) if newest else None, time_budget=minutes)
    return train(sliced).step


def checkpoint_at(config: TrainConfig) -> Path | None:
    """The checkpoint at exactly the config's total; later ones do not count."""
    matching = [p for p in RunPaths.of(config).existing() if checkpoints.read(p).step == config.total_steps]
    return matching[-1] if matching else None


def measure(milestone: Milestone, config: TrainConfig) -> Measured | None:
    """The success rate at the milestone's step; ``None`` while the run has not got there."""
    if milestone.estimator == "rollout":
        return _rollout(RunPaths.of(config).progress, milestone) if step_of(config) >= milestone.step else None
    checkpoint = checkpoint_at(config)
    if checkpoint is None:
        return None
    result = evaluate(checkpoint, n_episodes=milestone.episodes, device="cpu" if config.device == "cpu" else "auto")
    write_result(result, config.results_dir)
    return Measured(result["metrics"]["n_successes"], milestone.episodes)


def _rollout(progress: Path, milestone: Milestone) -> Measured:
    """The last row up to the step; its mean is over the last 100 episodes, or over all where there are fewer."""
    series = read_curve(progress.parent).series

    def last(name: str) -> float:
        steps, values = series[name]
        return float(values[steps <= milestone.step][-1])

    episodes = min(milestone.episodes, int(last("time/episodes")))
    return Measured(round(last(SUCCESS) * episodes), episodes)
