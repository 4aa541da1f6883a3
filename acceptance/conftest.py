"""Options of the acceptance suite, its clock, and its report."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from visual_her.provenance import provenance

from acceptance.milestones import MILESTONES, load

PENDING = 11  # exit code where nothing failed but something is not decided yet, as the specification's "incomplete"
_VERDICTS = pytest.StashKey[list["Verdict"]]()
_DEADLINE = pytest.StashKey[float]()


@dataclass(frozen=True)
class Verdict:
    """How one milestone stands for one seed: ``passed``, ``failed``, ``pending`` or ``information``."""

    milestone: str
    seed: int
    verdict: str
    measured: str
    wanted: str
    step: int


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--run-dir`` and ``--time-budget``."""
    group = parser.getgroup("visual-her acceptance")
    group.addoption(
        "--run-dir", default="acceptance_run", help="folder of the runs, which the next session goes on with"
    )
    group.addoption("--milestones", default=str(MILESTONES), help="another file of milestones")
    group.addoption("--time-budget", default="24h", help="of this session, such as 9m or 2h; the rest stays pending")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marks and starts the clock."""
    for mark, what in (
        ("acceptance", "a milestone, which takes long: only with -m"),
        ("quick", "the short ones, for 2 CPU cores"),
        ("nightly", "trains in slices until each milestone is decided"),
        ("gpu", "not to be waited for without a GPU"),
    ):
        config.addinivalue_line("markers", f"{mark}: {what}")
    config.stash[_VERDICTS] = []
    config.stash[_DEADLINE] = time.monotonic() + 60 * minutes(config.getoption("--time-budget"))


def minutes(text: str) -> float:
    """``90s``, ``9m`` or ``2h`` in minutes.

    Raises:
        pytest.UsageError: it is none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise pytest.UsageError(f"--time-budget {text} is no time: use 90s, 9m or 2h.")
    return float(found[1]) * {"s": 1 / 60, "m": 1, "h": 60}[found[2]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each seed of each milestone."""
    if "milestone" in metafunc.fixturenames:
        cases = [
            pytest.param(
                milestone, seed, marks=[getattr(pytest.mark, mark) for mark in milestone.marks],
                id=f"{milestone.name}, seed {seed}",
            )
            for milestone in load(Path(metafunc.config.getoption("--milestones")))
            for seed in milestone.seeds
        ]  # fmt: skip
        metafunc.parametrize(("milestone", "seed"), cases)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Milestones run only where a mark asks for them."""
    if not config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("acceptance")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def run_dir(request: pytest.FixtureRequest) -> Path:
    """Where the runs are kept between sessions."""
    folder = Path(request.config.getoption("--run-dir"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def minutes_left(request: pytest.FixtureRequest) -> Callable[[], float]:
    """Of the session's budget."""
    return lambda: (request.config.stash[_DEADLINE] - time.monotonic()) / 60


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Callable[[Verdict], None]:
    """Takes a verdict into the report."""
    return request.config.stash[_VERDICTS].append


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Appends to the history, and never ends with 0 where something is pending."""
    verdicts = session.config.stash[_VERDICTS]
    if not verdicts:
        return
    folder = Path(session.config.getoption("--run-dir"))
    record = {**provenance(), "impl": session.config.getoption("--impl"), "verdicts": [asdict(one) for one in verdicts]}
    with open(folder / "history.jsonl", "a") as file:
        file.write(json.dumps(record) + "\n")
    (folder / "summary.md").write_text(summary(record))
    if session.exitstatus in (0, 5) and any(one.verdict == "pending" for one in verdicts):
        session.exitstatus = PENDING


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints the table of verdicts."""
    if config.stash[_VERDICTS]:
        terminalreporter.section("milestones")
        terminalreporter.write_line((Path(config.getoption("--run-dir")) / "summary.md").read_text())


def summary(record: dict[str, Any]) -> str:
    """The verdicts as Markdown, with the hardware and the commit that they are of."""
    hardware = record["hardware"]
    lines = [
        f"{record['impl']}, commit {record['git_commit']}, {record['created_at']}, {hardware['cores']} cores of "
        f"{hardware['cpu']}, {hardware['gpu'] or 'no GPU'}",
        "",
        "| Milestone | Seed | Verdict | Measured | Wanted | Env steps |",
        "|---|---|---|---|---|---|",
    ]
    for one in record["verdicts"]:
        cells = (one["milestone"], one["seed"], one["verdict"], one["measured"], one["wanted"], f"{one['step']:,}")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"
