"""Options of the reference's tests."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often a run is killed."""
    parser.addoption("--kills", type=int, default=2, help="SIGKILLs of the run that is resumed until its end")
