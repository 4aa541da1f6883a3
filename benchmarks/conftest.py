"""Fixtures of the benchmarks: timing in turn with the peer, and the table's rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.table import Row, conditions, load_average, print_table, write_markdown

ROUNDS = 7
ROWS = pytest.StashKey[list[Row]]()
LOAD = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--table``."""
    parser.addoption("--table", type=Path, metavar="FILE", help="also write the table of the benchmarks here")


def pytest_configure(config: pytest.Config) -> None:
    """Starts an empty table."""
    config.stash[ROWS] = []
    config.stash[LOAD] = load_average()


def pytest_terminal_summary(config: pytest.Config) -> None:
    """Prints the table, if a benchmark of this session made one."""
    rows = config.stash[ROWS]
    if not rows:
        return
    notes = conditions(config.stash[LOAD])
    print_table(rows, notes)
    if path := config.getoption("--table"):
        write_markdown(path, rows, notes)


@pytest.fixture
def table(pytestconfig: pytest.Config) -> list[Row]:
    """The rows so far, in the order of the tests."""
    return pytestconfig.stash[ROWS]


@dataclass(frozen=True)
class Rounds:
    """Seconds of each round.

    Attributes:
        ours: the reference's.
        others: what was measured in turn with it, by name.
    """

    ours: list[float]
    others: dict[str, list[float]]

    def median(self, name: str | None = None) -> float:
        """Seconds, ours if no name is given."""
        return statistics.median(self.others[name] if name else self.ours)

    def ratios(self, name: str) -> list[float]:
        """How many times faster than ``name`` ours was, round by round."""
        return [theirs / ours for theirs, ours in zip(self.others[name], self.ours, strict=True)]

    def ratio(self, name: str) -> float:
        """The median of ``ratios``."""
        return statistics.median(self.ratios(name))

    def range(self, name: str) -> str:
        """The least and the largest ratio."""
        return f"{min(self.ratios(name)):.2f} to {max(self.ratios(name)):.2f}"


InTurn = Callable[..., Rounds]


@pytest.fixture
def in_turn(benchmark: BenchmarkFixture) -> InTurn:
    """Times ours by pytest-benchmark and, before each of its rounds, everything else that is given by name.

    ``in_turn(ours, peer=function, …, rounds=7, times=1)`` runs each ``times`` times a round. A function that returns a
    float has measured its own seconds.
    """

    def measure(
        ours: Callable[[], Any], *, rounds: int = ROUNDS, times: int = 1, **others: Callable[[], Any]
    ) -> Rounds:
        seconds: dict[str, list[float]] = {name: [] for name in others}

        def the_others() -> None:
            for name, function in others.items():
                seconds[name].append(_seconds(function, times))

        pedantic: Any = benchmark.pedantic
        pedantic(lambda: _repeat(ours, times), setup=the_others, rounds=rounds, warmup_rounds=1)
        assert benchmark.stats is not None, "timings were switched off: run without --benchmark-disable"
        measured = Rounds(
            [total / times for total in benchmark.stats.stats.data],
            {name: values[-rounds:] for name, values in seconds.items()},  # without the warm-up
        )
        benchmark.extra_info.update({"times": times, **{f"{k} seconds": v for k, v in measured.others.items()}})
        return measured

    return measure


def _seconds(function: Callable[[], Any], times: int) -> float:
    start = time.perf_counter()
    results = [function() for _ in range(times)]
    elapsed = time.perf_counter() - start
    return statistics.mean(results) if isinstance(results[0], float) else elapsed / times


def _repeat(function: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        function()


@pytest.fixture
def closing() -> Iterator[Callable[[Any], Any]]:
    """Keeps what it is given, and closes it when the test is over."""
    opened: list[Any] = []

    def keep(thing: Any) -> Any:
        opened.append(thing)
        return thing

    yield keep
    for thing in reversed(opened):
        thing.close()
