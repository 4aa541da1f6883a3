"""A/B in time: the code as it lies here against a commit, by the same benchmarks, in turn, on the same machine.

The machine's speed drifts, so each round runs both versions, and which comes first alternates. What counts of a round
is the fastest call, because other processes only ever add. A benchmark has become slower when the median over the
rounds grew by more than 25 % and every round of the one is above every round of the other; what seems so is measured
once more, and both measurements together decide.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from visual_her.errors import UsageError

ROOT = Path(__file__).parents[1]
HISTORY = ROOT / "benchmarks" / "history"
ROUNDS = 3
TOLERANCE = 1.25

Report = dict[str, Any]  # pytest-benchmark's
Fastest = dict[str, list[float]]  # benchmark -> seconds of its fastest call, one a round


def compare(base: str, *, rounds: int = ROUNDS, select: str = "") -> int:
    """Times the working tree against ``base``; keeps the last round's reports in ``benchmarks/history``.

    Args:
        base: a commit, tag or branch of this repository.
        rounds: of both versions.
        select: pytest's ``-k``: which benchmarks; all of ``test_timings.py`` if empty.

    Returns:
        1 if something has become slower, else 0.

    Raises:
        UsageError: ``base`` is unknown, or a version does not run.
    """
    with _checkout(base) as tree:
        sides = {"base": tree, "here": ROOT}
        for side, root in sides.items():
            _refuse_another_code(side, root)
        seconds, reports = _rounds(sides, rounds, select)
        slower = slowed_down(seconds["base"], seconds["here"])
        if slower:
            print(f"measured once more: {', '.join(slower)}", flush=True)
            again, _ = _rounds(sides, rounds, _selecting(slower))
            for side, figures in again.items():
                for name, more in figures.items():
                    seconds[side].setdefault(name, []).extend(more)
            slower = slowed_down(seconds["base"], seconds["here"])
    _keep(reports["base"], f"base-{_short(base)}")
    _keep(reports["here"], f"tree-on-{_short('HEAD')}")
    _print(seconds["base"], seconds["here"], slower, base)
    return 1 if slower else 0


def _rounds(sides: dict[str, Path], rounds: int, select: str) -> tuple[dict[str, Fastest], dict[str, Report]]:
    """Both versions in turn: seconds of each side's benchmarks, and the last round's reports."""
    seconds: dict[str, Fastest] = {side: {} for side in sides}
    reports: dict[str, Report] = {}
    for number in range(rounds):
        for side in list(sides)[:: -1 if number % 2 else 1]:
            print(f"round {number + 1} of {rounds}: {side}", flush=True)
            reports[side] = _run(sides[side], select)
            for entry in reports[side]["benchmarks"]:
                seconds[side].setdefault(entry["name"], []).append(entry["stats"]["min"])
    return seconds, reports


def _selecting(names: list[str]) -> str:
    """Pytest's ``-k`` for these tests: ``test_sample[raw]`` -> ``(test_sample and raw)``."""
    return " or ".join("(" + " and ".join(name.rstrip("]").split("[")) + ")" for name in names)


def slowed_down(base: Fastest, here: Fastest) -> list[str]:
    """The benchmarks of both that are slower here, beyond the tolerance and beyond noise."""
    return [
        name
        for name in base.keys() & here.keys()
        if statistics.median(here[name]) > TOLERANCE * statistics.median(base[name])
        and min(here[name]) > max(base[name])
    ]


@contextlib.contextmanager
def _checkout(base: str) -> Iterator[Path]:
    """The commit's sources in a folder of their own; the repository is only read."""
    archive = subprocess.run(["git", "archive", base, "reference", "spec_tests"], cwd=ROOT, capture_output=True)
    if archive.returncode:
        raise UsageError(f"{base} cannot be compared with: give a commit, tag or branch of this repository.")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
        yield Path(folder)


def _environment(root: Path) -> dict[str, str]:
    paths = [root / "reference", root / "spec_tests", ROOT]  # before an editable installation
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def _refuse_another_code(side: str, root: Path) -> None:
    code = "import visual_her; print(visual_her.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=_environment(root), capture_output=True, text=True
    )
    if not Path(done.stdout.strip()).is_relative_to(root):
        raise UsageError(f"the {side} would import {done.stdout.strip()}: uninstall visual-her, or install it with -e.")


def _run(root: Path, select: str) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        arguments = ["benchmarks/test_timings.py", "-o", "addopts=", "-p", "no:cacheprovider", "-q"]
        arguments += [f"--benchmark-json={report}", "--benchmark-quiet", *(["-k", select] if select else [])]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=ROOT,
            env=_environment(root),
            capture_output=True,
            text=True,
        )
        if done.returncode or not report.exists():
            raise UsageError(f"the benchmarks do not run on {root}: see above.", details=done.stdout + done.stderr)
        parsed: Report = json.loads(report.read_text())
        return parsed


def _keep(report: Report, name: str) -> None:
    """Where ``pytest-benchmark compare`` finds it, under the next number."""
    folder = HISTORY / _machine_id()
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("*.json"))) + 1
    (folder / f"{number:04}_{name}.json").write_text(json.dumps(report, indent=1) + "\n")


def _machine_id() -> str:
    from pytest_benchmark.utils import get_machine_id

    return str(get_machine_id())  # type: ignore[no-untyped-call]


def _short(commit: str) -> str:
    git = shutil.which("git") or "git"
    done = subprocess.run([git, "rev-parse", "--short", commit], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _print(base: Fastest, here: Fastest, slower: list[str], name: str) -> None:
    table = Table("benchmark", name, "here", "here / base", "verdict", title="fastest call, medians of the rounds")
    for benchmark in sorted(base.keys() | here.keys()):
        sides = [base.get(benchmark, []), here.get(benchmark, [])]
        cells = [f"{1000 * statistics.median(side):.1f} ms" if side else "-" for side in sides]
        ratio = f"{statistics.median(sides[1]) / statistics.median(sides[0]):.2f}" if all(sides) else "-"
        table.add_row(escape(benchmark), *cells, ratio, "SLOWER" if benchmark in slower else "")
    Console().print(table)
