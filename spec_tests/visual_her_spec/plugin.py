"""The pytest plugin, loaded explicitly with ``-p visual_her_spec.plugin``: ``--impl``, the fixture, the verdict."""

from __future__ import annotations

import importlib
import importlib.metadata
import tempfile
import tomllib
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import pytest

from visual_her_spec.catalogue import AREAS, CATALOGUE, Profile, Requirement
from visual_her_spec.protocol import Implementation
from visual_her_spec.report import Outcome, Report, Result, header, manifest

DEFAULT_IMPLEMENTATION = "visual_her.conformance:IMPLEMENTATION"
ENTRY_POINTS = "visual_her.implementations"

# Filled by check_implementation, which has an object instead of a path.
GIVEN_IMPLEMENTATION = pytest.StashKey[Any]()
REPORT = pytest.StashKey[Report]()
_RESULTS = pytest.StashKey[dict[str, Result]]()
_LOADED = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the specification's options."""
    group = parser.getgroup("visual-her specification")
    group.addoption("--impl", default=DEFAULT_IMPLEMENTATION, help="package.module:OBJECT, or an entry point's name")
    group.addoption("--area", action="append", choices=list(AREAS), help="only this area's requirements; repeatable")
    group.addoption("--profile", default="chapter", choices=[str(p) for p in Profile], help="core or chapter")
    group.addoption("--learning", action="store_true", help="run the learning test, too")
    group.addoption("--report", metavar="DIR", help="write report.jsonl and report.md there")
    group.addoption("--known-failures", metavar="TOML", help="[[known]] tables with id and reason; strict both ways")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker and a derandomised Hypothesis profile: a verdict must not depend on luck."""
    config.addinivalue_line("markers", "requirement(entry): the requirement that a test checks")
    from hypothesis import configuration, settings

    if config.option.pyargs:  # judges from anybody's folder, and leaves nothing there
        caches = tempfile.TemporaryDirectory()
        config.add_cleanup(caches.cleanup)
        configuration.set_hypothesis_home_dir(caches.name)
    settings.register_profile("verdict", derandomize=True, deadline=None, max_examples=25, database=None)
    settings.load_profile("verdict")
    config.stash[_RESULTS] = {}


def pytest_report_header(config: pytest.Config) -> str:
    """Names the implementation, so that a typo is seen."""
    return f"visual-her specification: --impl {config.getoption('--impl')} --profile {config.getoption('--profile')}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps the requirements that were asked for; tests that are none stay."""
    wanted = {entry.id for entry in _manifest(config)}
    areas = config.getoption("--area")

    def keep(item: pytest.Item) -> bool:
        entry = requirement_of(item)
        return not areas if entry is None else entry.id in wanted

    config.hook.pytest_deselected(items=[item for item in items if not keep(item)])
    items[:] = [item for item in items if keep(item)]


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Checks the adapter before its implementation is judged."""
    config = session.config
    if config.option.pyargs and not config.option.collectonly:
        from visual_her_spec.smoke import AdapterError, check_adapter

        try:
            check_adapter(_implementation(config), config.getoption("--area") or ())
        except (AdapterError, ValueError) as error:
            config.stash[REPORT] = Report(_header(config), adapter_error=str(error))
            session.items.clear()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes the outcome of a requirement."""
    report = yield
    entry = requirement_of(item)
    if entry is not None and (report.when == "call" or not report.passed):
        results = item.config.stash[_RESULTS]
        if call.excinfo is None:
            results.setdefault(entry.id, Result(entry.id, Outcome.PASSED, seconds=call.duration))
        elif report.skipped:
            claim = str(call.excinfo.value).removeprefix("not claimed: ")
            results[entry.id] = Result(entry.id, Outcome.NOT_CLAIMED, claim)
        else:
            message = failure_message(call.excinfo.value)
            results[entry.id] = Result(entry.id, Outcome.FAILED, message, call.duration)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Builds the report; a run of the whole specification (``--pyargs``) ends with the verdict's exit code."""
    config = session.config
    if not config.stash[_RESULTS] and REPORT not in config.stash:
        return
    if REPORT not in config.stash:
        results = config.stash[_RESULTS]
        required = [results.get(entry.id, Result(entry.id, Outcome.NOT_RUN)) for entry in _manifest(config)]
        report = Report(_header(config), required, learning=_learning(config))
        known = config.getoption("--known-failures")
        config.stash[REPORT] = _apply_known_failures(report, Path(known)) if known else report
    report = config.stash[REPORT]
    if config.getoption("--report"):
        report.write(Path(config.getoption("--report")))
    if config.option.pyargs and session.exitstatus in (0, 1, 5):
        session.exitstatus = report.exit_code


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints measured figures, and the verdict."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    for name, figure in [pair for report in reports for pair in report.user_properties]:
        if name == "figure":
            terminalreporter.write_line(figure)
    if REPORT in config.stash and (config.option.pyargs or config.stash[REPORT].failures):
        terminalreporter.section("visual-her specification")
        terminalreporter.write_line(config.stash[REPORT].terminal())


def requirement_of(item: pytest.Item) -> Requirement | None:
    """The requirement that a test checks, if it is one of the specification's."""
    marker = item.get_closest_marker("requirement")
    return marker.args[0] if marker else None


def failure_message(error: BaseException) -> str:
    """What failed, in one line: the assertion's own sentence, or the exception that was raised instead."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = str(error).strip() or type(error).__name__
    sentence = text.split("\nassert ")[0].splitlines()[0]
    return sentence if isinstance(error, AssertionError) else f"{type(error).__name__} was raised: {sentence}"


def load_implementation(path: str) -> Implementation:
    """The object at ``package.module:OBJECT``, or under a name of the entry-point group.

    Raises:
        ValueError: it is not there.
    """
    if ":" not in path:
        names = {entry.name: entry for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)}
        if path not in names:
            raise ValueError(
                f"--impl {path} is no entry point of {ENTRY_POINTS} (there are {', '.join(names) or 'none'}): "
                "give package.module:OBJECT."
            )
        path = names[path].value
    module, _, name = path.partition(":")
    try:
        loaded: Any = importlib.import_module(module)
        for part in name.split("."):
            loaded = getattr(loaded, part)
    except (Exception, SystemExit) as error:  # an adapter's module can fail in any way when it is imported
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"--impl {path} cannot be loaded ({type(error).__name__}: {reason}).") from error
    return cast(Implementation, loaded)


@pytest.fixture(scope="session")
def impl(request: pytest.FixtureRequest) -> Implementation:
    """The implementation under test."""
    return _implementation(request.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips, by name and before any fixture works, a requirement whose capability is not claimed."""
    entry = requirement_of(item)
    if entry and entry.capability and entry.capability not in _implementation(item.config).capabilities:
        pytest.skip(f"not claimed: {entry.capability}")


def _implementation(config: pytest.Config) -> Implementation:
    if _LOADED not in config.stash:
        config.stash[_LOADED] = (
            config.stash[GIVEN_IMPLEMENTATION]  # whatever it is: None, too, is judged as it is
            if GIVEN_IMPLEMENTATION in config.stash
            else load_implementation(config.getoption("--impl"))
        )
    return cast(Implementation, config.stash[_LOADED])


def _learning(config: pytest.Config) -> bool:
    return bool(config.getoption("--learning") or "LRN" in (config.getoption("--area") or ()))


def _manifest(config: pytest.Config) -> list[Requirement]:
    return manifest(Profile(config.getoption("--profile")), config.getoption("--area"), learning=_learning(config))


def _header(config: pytest.Config) -> dict[str, Any]:
    loaded = config.stash.get(_LOADED, None)
    path = type(loaded).__name__ if GIVEN_IMPLEMENTATION in config.stash else config.getoption("--impl")
    return header(loaded, path, Profile(config.getoption("--profile")))


def _apply_known_failures(report: Report, path: Path) -> Report:
    """Strict both ways: an entry has to fail, and has to be a requirement."""
    try:
        entries = {entry["id"]: entry["reason"] for entry in tomllib.loads(path.read_text()).get("known", [])}
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        report.adapter_error = (
            f"--known-failures {path} cannot be used ({error}): write [[known]] tables with id and reason."
        )
        return report
    strange = sorted(set(entries) - set(CATALOGUE))
    if strange:
        report.adapter_error = f"--known-failures names {strange[0]}, which is no requirement: remove it."
        return report
    for index, result in enumerate(report.results):
        if result.id in entries and result.outcome is Outcome.FAILED:
            report.results[index] = Result(result.id, Outcome.KNOWN, entries[result.id], result.seconds)
        elif result.id in entries and result.outcome is Outcome.PASSED:
            message = f"it is listed as a known failure ({entries[result.id]}) but passes: remove it from {path}"
            report.results[index] = Result(result.id, Outcome.FAILED, message, result.seconds)
    return report
