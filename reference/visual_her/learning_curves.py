"""Learning curves of several runs side by side: a plot over seeds, and when each recipe took off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from visual_her.diagnosis import CHANCE, SUCCESS, Series, read_curve
from visual_her.errors import UsageError

Array = npt.NDArray[np.float64]
GRID = 400  # points of the plot
MARKS = (CHANCE, 0.4, 0.9)  # take-off, and the two of the chapter's tables


@dataclass(frozen=True)
class Arm:
    """The runs of one recipe.

    Attributes:
        name: of the folder above its seeds.
        seeds: env steps and rollout success rate of each.
    """

    name: str
    seeds: list[Series]

    def steps_to(self, rate: float) -> Array:
        """For each seed the env steps from which its success stays at ``rate`` or above for 5 rows; NaN if never."""
        return np.array([_first(steps, success >= rate) for steps, success in self.seeds])


def find_runs(paths: list[Path]) -> list[Arm]:
    """The runs below ``paths`` that have a ``progress.csv``, by recipe: folders that lie beside each other.

    Raises:
        UsageError: one of ``paths`` has none, or a run has no success rate.
    """
    below = {path: {file.parent for file in path.rglob("progress.csv")} for path in paths}
    empty = [str(path) for path, found in below.items() if not found]
    if empty:
        raise UsageError(f"there is no progress.csv in {', '.join(empty)}: give folders of runs' logs.")
    folders = sorted(set[Path]().union(*below.values()))
    arms: dict[Path, list[Series]] = {}
    for folder in folders:
        arms.setdefault(folder.parent, []).append(read_curve(folder).series[SUCCESS])
    names = [_name(folder) for folder in arms]
    return [Arm(name, seeds) for name, seeds in zip(names, arms.values(), strict=True)]


def plot(arms: list[Arm], picture: Path) -> None:
    """Median over the seeds of each arm, its range as a band, and every seed as a thin line.

    Raises:
        UsageError: ``picture`` is there already.
    """
    if picture.exists():
        raise UsageError(f"{picture} exists: choose another name with --plot.")
    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for number, arm in enumerate(arms):
        colour = f"C{number}"
        last = max(steps[-1] for steps, _ in arm.seeds)
        grid = np.linspace(0, last, GRID)
        curves = np.array([np.interp(grid, steps, success, left=np.nan, right=np.nan) for steps, success in arm.seeds])
        seen = ~np.isnan(curves).all(axis=0)
        for curve in curves:
            axis.plot(grid, curve, color=colour, linewidth=0.7, alpha=0.5)
        middle = np.nanmedian(curves[:, seen], axis=0)
        count = f"{len(curves)} seed{'s' * (len(curves) > 1)}"
        axis.plot(grid[seen], middle, color=colour, linewidth=2, label=f"{arm.name} ({count})")
        axis.fill_between(
            grid[seen], np.nanmin(curves[:, seen], axis=0), np.nanmax(curves[:, seen], axis=0), color=colour, alpha=0.15
        )
    axis.axhline(0.067, color="grey", linestyle=":", linewidth=1)
    axis.set(ylim=(-0.03, 1.03), xlabel="env steps", ylabel="success rate\n(stochastic, last 100 episodes)")
    axis.grid(alpha=0.3)
    axis.legend(loc="upper left", fontsize=8)
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def print_marks(arms: list[Arm]) -> None:
    """A row an arm: env steps to take-off, 40 % and 90 %; with two arms, the ratio of their medians."""
    table = Table("arm", "seeds", "take-off (15 %)", "40 %", "90 %", box=None, pad_edge=False)
    for arm in arms:
        table.add_row(escape(arm.name), str(len(arm.seeds)), *(_cell(arm.steps_to(mark)) for mark in MARKS))
    if len(arms) == 2:
        table.add_row("ratio of the medians, first to second", "", *(_ratio(arms[0], arms[1], mark) for mark in MARKS))
    console = Console()
    console.width = console.width if console.is_terminal else 160
    console.print(table)
    print("env steps from which the stochastic success rate of the last 100 episodes stays there: median [range]")


def _first(steps: Array, reached: npt.NDArray[np.bool_], rows: int = 5) -> float:
    rows = min(rows, len(reached))
    stays = np.convolve(reached, np.ones(rows), "valid") == rows
    return float(steps[np.argmax(stays)]) if stays.any() else np.nan


def _cell(steps: Array) -> str:
    reached = steps[~np.isnan(steps)]
    if not len(reached):
        return "never"
    text = f"{np.median(reached):,.0f} [{reached.min():,.0f}, {reached.max():,.0f}]"
    return text if len(reached) == len(steps) else f"{text}, {len(steps) - len(reached)} never"


def _ratio(first: Arm, second: Arm, mark: float) -> str:
    medians = [np.median(arm.steps_to(mark)) for arm in (first, second)]  # NaN where a seed never got there
    return "-" if np.isnan(medians).any() else f"{medians[0] / medians[1]:.2f}"


def _name(folder: Path) -> str:
    """``ARM`` of a collection ``ARM/seedN``; ``TAG/ENV`` of a log folder ``TAG/ENV/seedN``."""
    return f"{folder.parent.name}/{folder.name}" if folder.name.startswith("Fetch") else folder.name
