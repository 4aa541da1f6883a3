"""What a user waits for first, and what a reader has to read."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.conftest import InTurn
from benchmarks.reading import lines_of_code, reading_order
from benchmarks.table import Row, verdict


def test_help(in_turn: InTurn, table: list[Row]) -> None:
    command = [sys.executable, "-m", "visual_her", "--help"]
    rounds = in_turn(lambda: subprocess.run(command, check=True, capture_output=True))
    table.append(
        Row("`visual-her --help`", f"{rounds.median():.2f} s", "-", "-", "≤ 0.5 s", verdict(rounds.median() <= 0.5))
    )


def test_core(table: list[Row]) -> None:
    modules = reading_order()
    counts = [lines_of_code(module) for module in modules]
    code, text = (sum(numbers) for numbers in zip(*counts, strict=True))
    table.append(
        Row(
            f"core, `{modules[0]}` to `{modules[-1]}`: lines of code",
            f"{code:,} ({text:,} with docstrings)",
            "-",
            "-",
            "≤ 1,800",
            verdict(code <= 1_800),
        )
    )
