"""The acceptance suite itself: slices, verdicts and exit codes, on runs of a few hundred steps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from acceptance.conftest import PENDING, minutes
from acceptance.milestones import Measured, load

ROOT = Path(__file__).parents[1]
ROW = """
[[milestone]]
name = "{name}"
recipe = "{recipe}"
step = {step}
estimator = "{estimator}"
episodes = 2
{bound}
seeds = [3]
marks = ["nightly"]
source = "nowhere"
"""


def session(folder: Path, rows: str, budget: str, *more: str) -> tuple[int, str]:
    """Exit code and output of one session."""
    (folder / "rows.toml").write_text(rows)
    line = ["acceptance", "-m", "nightly", "--milestones", str(folder / "rows.toml"), "--run-dir", str(folder / "run")]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *line, "--time-budget", budget, *more],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr


def test_what_the_time_does_not_suffice_for_is_pending_and_goes_on_in_the_next_session(tmp_path: Path) -> None:
    rows = ROW.format(name="long", recipe="fast-state", step=8_000, estimator="eval", bound="")
    code, printed = session(tmp_path, rows, "0.1s")
    assert code == PENDING, printed
    assert "| long | 3 | pending | - | - |" in printed
    code, printed = session(tmp_path, rows.replace("8000", "1200"), "5m")
    assert code == 0, printed
    assert "| long | 3 | information |" in printed
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert [record["verdicts"][0]["verdict"] for record in history] == ["pending", "information"]
    assert history[1]["verdicts"][0]["step"] == 1_200
    assert history[0]["git_commit"]
    assert history[0]["hardware"]["cores"]


def test_a_bound_that_is_not_cleared_fails(tmp_path: Path) -> None:
    rows = ROW.format(name="high", recipe="fast-state", step=800, estimator="rollout", bound="bound = 0.9")
    code, printed = session(tmp_path, rows, "5m")
    assert code == 1, printed
    assert "| high | 3 | failed |" in printed
    assert "lower bound above 90 % is wanted" in printed


def test_without_a_mark_no_milestone_runs() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "acceptance/test_milestones.py", "-q"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "no tests ran" in ended.stdout or "deselected" in ended.stdout
    assert "passed" not in ended.stdout


def test_the_lower_bound_decides() -> None:
    assert Measured(98, 100).clears(0.9)
    assert not Measured(93, 100).clears(0.9), "93 % of 100 episodes may be 86 %"
    assert Measured(0, 100).clears(None)


def test_the_chapters_table_is_there() -> None:
    chapter = {one.step: one.bound for one in load() if one.recipe == "chapter"}
    assert list(chapter) == [500_000, 1_000_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000]
    assert chapter[500_000] is chapter[1_000_000] is None, "chance is information and no bound"


@pytest.mark.parametrize(("text", "expected"), [("90s", 1.5), ("9m", 9), ("2h", 120), ("0.5h", 30)])
def test_a_time_budget_has_a_unit(text: str, expected: float) -> None:
    assert minutes(text) == expected
