"""``check_implementation``: the specification from Python, with the same result as from pytest and the command line."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from visual_her_spec import plugin
from visual_her_spec.catalogue import AREAS, Profile
from visual_her_spec.protocol import Implementation
from visual_her_spec.report import Report, header
from visual_her_spec.smoke import AdapterError, check_adapter


def check_implementation(
    impl: Implementation | str,
    *,
    profile: str = "chapter",
    areas: Sequence[str] = (),
    learning: bool = False,
    report_dir: str | Path | None = None,
    known_failures: str | Path | None = None,
    select: Sequence[str] = (),
    quiet: bool = True,
) -> Report:
    """Holds an implementation to the specification.

    Args:
        impl: the adapter, or its import path ``package.module:OBJECT``.
        profile: ``core`` or ``chapter``.
        areas: only these areas; all but the learning test if empty.
        learning: whether to run the learning test, too.
        report_dir: where to write ``report.jsonl``, ``report.md`` and ``junit.xml``.
        known_failures: TOML with ``[[known]]`` tables of ``id`` and ``reason``.
        select: only these requirement ids; the verdict is then incomplete unless one of them fails.
        quiet: whether to swallow pytest's own output.

    Returns:
        The report; its ``exit_code`` is 0 conformant, 1 a MUST failed, 10 the adapter is wrong, 11 incomplete.

    Raises:
        ValueError: there is no such area.
    """
    unknown = [area for area in areas if area not in AREAS]
    if unknown:
        raise ValueError(f"there is no area {unknown[0]!r}: choose from {', '.join(AREAS)}.")
    carrier = _Carrier(impl, frozenset(select))
    arguments = ["--pyargs", "visual_her_spec", "-q", "-c", "/dev/null", "--profile", profile]
    arguments += ["-p", "no:cacheprovider", "-p", "no:benchmark"]  # which would leave folders behind
    arguments += [f"--area={area}" for area in areas] + ["--learning"] * learning
    if report_dir is not None:
        arguments += [f"--report={report_dir}", f"--junitxml={Path(report_dir) / 'junit.xml'}"]
    arguments += [f"--known-failures={known_failures}"] * (known_failures is not None)
    arguments += [f"--impl={impl}"] * isinstance(impl, str)
    output = io.StringIO()
    with contextlib.redirect_stdout(output) if quiet else contextlib.nullcontext():
        pytest.main(arguments, plugins=[plugin, carrier])
    if carrier.report is None:
        return Report(
            header(None, str(impl), Profile(profile)), adapter_error=f"pytest did not run: {output.getvalue()[-300:]}"
        )
    return carrier.report


def check_adapter_only(impl: Implementation | str) -> Report:
    """Calls every factory and probe in a few seconds: conformant here means that the adapter can be judged."""
    path = impl if isinstance(impl, str) else type(impl).__name__
    try:
        loaded = plugin.load_implementation(impl) if isinstance(impl, str) else impl
        check_adapter(loaded)
    except (AdapterError, ValueError) as error:
        return Report(header(None, path, Profile.CHAPTER), adapter_error=str(error))
    return Report(header(loaded, path, Profile.CHAPTER), adapter_only=True)


class _Carrier:
    """Takes the implementation in and the report out."""

    def __init__(self, impl: Any, select: frozenset[str]) -> None:
        self.impl, self.select = impl, select
        self.report: Report | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        if not isinstance(self.impl, str):
            config.stash[plugin.GIVEN_IMPLEMENTATION] = self.impl

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.select:
            items[:] = [item for item in items if (entry := plugin.requirement_of(item)) and entry.id in self.select]

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        self.report = config.stash.get(plugin.REPORT, None)
