"""The table of evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from visual_her.errors import UsageError

COLUMNS = ("run", "env", "steps", "episodes", "success [95 %]", "return", "distance", "time to success")


def read_results(paths: list[Path]) -> list[tuple[Path, dict[str, Any]]]:
    """Evaluations from files and folders.

    Raises:
        UsageError: there is none, or a file is no evaluation.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no {path}: give files that visual-her evaluate wrote, or folders of them.")
        files += sorted(path.glob("*_eval*.json")) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"there is no evaluation in {', '.join(map(str, paths))}: make one with visual-her evaluate.")
    results = []
    for file in files:
        try:
            result = json.loads(file.read_text())
            row(result)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise UsageError(f"{file} is no evaluation: give files that visual-her evaluate wrote.") from error
        results.append((file, result))
    return results


def row(result: dict[str, Any]) -> tuple[str, ...]:
    """One evaluation's line: a cell for each of ``COLUMNS``."""
    metrics = result["metrics"]
    low, high = metrics["success_interval"]
    time = metrics["mean_time_to_success"]
    return (
        f"{result['config_tag']} seed{result['seed']}",
        f"{result['env_id']}",
        f"{result['step']:,}",
        f"{result['episodes']}",
        f"{metrics['success_rate']:.1%} [{low:.1%}, {high:.1%}]",
        f"{metrics['mean_return']:.1f}",
        f"{metrics['mean_goal_distance'] * 100:.1f} cm",
        "-" if time is None else f"{time:.1f} steps",
    )


def print_table(results: list[tuple[Path, dict[str, Any]]]) -> None:
    """Every evaluation, a line each, as wide as the terminal."""
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for _, result in results:
        table.add_row(*map(escape, row(result)))
    console = Console()
    console.width = console.width if console.is_terminal else 200
    console.print(table)
    print("deterministic actions, success at the last step, Wilson interval")
