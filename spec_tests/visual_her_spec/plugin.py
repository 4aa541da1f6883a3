"""The pytest plugin, loaded explicitly with ``-p visual_her_spec.plugin``: ``--impl`` and the ``impl`` fixture."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from visual_her_spec.catalogue import Requirement
from visual_her_spec.protocol import Implementation

DEFAULT_IMPLEMENTATION = "visual_her.conformance:IMPLEMENTATION"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--impl`` and ``--area``."""
    group = parser.getgroup("visual-her specification")
    group.addoption("--impl", default=DEFAULT_IMPLEMENTATION, help="package.module:OBJECT to hold to the specification")
    group.addoption("--area", action="append", help="only requirements of this area (OBS, ENC, GRD, ...); repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker and a derandomised Hypothesis profile: a verdict must not depend on luck."""
    config.addinivalue_line("markers", "requirement(entry): the requirement that a test checks")
    from hypothesis import settings

    settings.register_profile("verdict", derandomize=True, deadline=None, max_examples=25, database=None)
    settings.load_profile("verdict")


def pytest_report_header(config: pytest.Config) -> str:
    """Names the implementation, so that a typo is seen."""
    return f"visual-her specification: --impl {config.getoption('--impl')}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps the requirements of the wanted areas."""
    areas = config.getoption("--area")
    if areas:
        kept = [item for item in items if (entry := requirement_of(item)) and entry.area in areas]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def requirement_of(item: pytest.Item) -> Requirement | None:
    """The requirement that a test checks, if it is one of the specification's."""
    marker = item.get_closest_marker("requirement")
    return marker.args[0] if marker else None


def load_implementation(path: str) -> Implementation:
    """The object at ``package.module:OBJECT``.

    Raises:
        ValueError: it is not there.
    """
    module, _, name = path.partition(":")
    try:
        loaded: Any = importlib.import_module(module)
        for part in name.split("."):
            loaded = getattr(loaded, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"--impl {path} cannot be loaded ({error}): give package.module:OBJECT.") from error
    return loaded  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def impl(request: pytest.FixtureRequest) -> Implementation:
    """The implementation under test."""
    return load_implementation(request.config.getoption("--impl"))


@pytest.fixture(autouse=True)
def _claimed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Skips a requirement whose capability the implementation does not claim, by name."""
    entry = requirement_of(request.node)
    if entry and entry.capability and entry.capability not in request.getfixturevalue("impl").capabilities:
        pytest.skip(f"not claimed: {entry.capability}")
    yield
