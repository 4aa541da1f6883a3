"""A table of runs plays what it does not hold yet, and reads back what it wrote."""

from __future__ import annotations

import math
from pathlib import Path

from acceptance import ablation, first_updates, ladder, outcomes


def play(arm: str, seed: int) -> ablation.Outcome:
    """A row at once."""
    return ablation.Outcome(arm, seed, 3, 10, math.nan if arm == "k = 8" else 9e4, 0.1, "0", "a CPU, of some kind")


def test_only_what_is_missing_is_played(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    outcomes.complete(table, ablation.Outcome, play, ["first"], [0], 1)
    outcomes.complete(table, ablation.Outcome, play, ["first", "k = 8"], [0, 1], 1)
    rows = outcomes.read(table, ablation.Outcome)
    assert len(rows) == 4
    assert rows[0] == play("first", 0)
    assert sorted((one.arm, one.seed) for one in rows) == [
        ("first", 0), ("first", 1), ("k = 8", 0), ("k = 8", 1),
    ]  # fmt: skip
    assert ablation.rows(rows)[0] == ("k = 8", "30 %, 30 %", "never, never", ablation.ARMS["k = 8"][1])


def test_every_arm_differs_from_the_first() -> None:
    for arms, config_of in (
        (ladder.ARMS, ladder.config_of),
        (ablation.ARMS, ablation.config_of),
        (first_updates.ARMS, first_updates.config_of),
    ):
        plain, *others = arms
        for arm in others:
            stopped = arms is ladder.ARMS and ladder.ARMS[arm].stopped_at
            assert stopped or config_of(arm, 0) != config_of(plain, 0), arm
