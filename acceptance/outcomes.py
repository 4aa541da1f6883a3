"""Tables of short runs: one row a run, written as soon as it is there, so that an interrupted table goes on."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_type_hints

from tqdm import tqdm

Play = Callable[[str, int], Any]


def complete(table: Path, kind: type, play: Play, arms: Iterable[str], seeds: Iterable[int], jobs: int) -> None:
    """Plays whatever arm and seed ``table`` does not hold yet, each in a process of its own, ``jobs`` at a time.

    Args:
        table: a CSV file.
        kind: of its rows, a dataclass with the fields ``arm`` and ``seed``.
        play: arm and seed to a row; a function of a module, since it is sent to a process.
        arms: names of arms.
        seeds: of each arm.
        jobs: processes at a time.
    """
    done = {(one.arm, one.seed) for one in read(table, kind)}
    missing = [(arm, seed) for seed in seeds for arm in arms if (arm, seed) not in done]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        pending = [pool.submit(play, *one) for one in missing]
        for finished in tqdm(as_completed(pending), total=len(pending), unit="run"):
            _append(table, finished.result())


def read(table: Path, kind: type) -> list[Any]:
    """The rows so far, each a ``kind``."""
    if not table.exists():
        return []
    types = get_type_hints(kind)
    with open(table, newline="") as file:
        return [kind(**{name: types[name](value) for name, value in row.items()}) for row in csv.DictReader(file)]


def _append(table: Path, outcome: Any) -> None:
    new = not table.exists()
    with open(table, "a", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(outcome)], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(dataclasses.asdict(outcome))
