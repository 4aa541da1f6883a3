"""``python -m benchmarks run | compare BASE | scaling``, from the root of a clone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import tyro
from visual_her.errors import UsageError

HERE = Path(__file__).parent


def run(*, select: str = "", save: bool = True) -> int:
    """Every benchmark beside the peer, in about ten minutes; writes benchmarks/RESULTS.md.

    Args:
        select: which: pytest's -k. Of a selection no page is written.
        save: keeps the timings in benchmarks/history, for pytest-benchmark compare.
    """
    tests = [str(HERE / f"test_{name}.py") for name in ("collection", "replay", "update", "size_and_start", "gpu")]
    arguments = [
        *tests,
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        "-q",
        "-rs",
        "--benchmark-columns=median,iqr,rounds",
    ]
    arguments += [f"--benchmark-storage=file://{HERE / 'history'}"]
    arguments += ["-k", select] if select else [f"--table={HERE / 'RESULTS.md'}"]
    arguments += ["--benchmark-autosave"] if save and not select else []
    return int(pytest.main(arguments))


def compare(base: Annotated[str, tyro.conf.Positional], /, *, select: str = "", rounds: int = 3) -> int:
    """Times this working tree against another commit; exit code 1 if something has become slower.

    Args:
        base: a commit, tag or branch.
        select: which benchmarks of test_timings.py: pytest's -k.
        rounds: of both versions, in turn.
    """
    from benchmarks.compare import compare as compare_with

    return compare_with(base, select=select, rounds=rounds)


def scaling() -> int:
    """How cost grows: writes benchmarks/scaling.md and scaling.png, in about five minutes."""
    from benchmarks.scaling import write

    write(HERE)
    return 0


def main() -> int:
    """Runs one of the commands; returns its exit code."""
    commands: dict[str, Callable[..., Any]] = {"run": run, "compare": compare, "scaling": scaling}
    try:
        return int(tyro.extras.subcommand_cli_from_dict(commands, prog="python -m benchmarks"))
    except UsageError as error:
        if error.details:
            print(error.details, file=sys.stderr)
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
