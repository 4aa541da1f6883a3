"""The specification about itself: its page is fresh, its tests take any implementation, and it names none."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest
import visual_her_spec
from visual_her_spec.catalogue import AREAS, CATALOGUE, requirement
from visual_her_spec.document import document, import_requirements

SOURCES = sorted(Path(visual_her_spec.__path__[0]).glob("*.py"))
SPEC = Path(__file__).parents[2] / "SPEC.md"
THROUGH_FIXTURES = {"success_rate", "trained", "resumed", "filled", "error_after"}  # each takes impl

import_requirements()


def test_spec_md_is_what_the_catalogue_says() -> None:
    assert SPEC.read_text() == document(), "SPEC.md is stale: python -m visual_her_spec > SPEC.md"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_specification_imports_no_implementation(source: Path) -> None:
    tree = ast.parse(source.read_text())
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert not [name for name in imported if name.split(".")[0] == "visual_her"]


@pytest.mark.parametrize("source", [s for s in SOURCES if s.name.startswith("test_")], ids=lambda path: path.name)
def test_every_test_checks_one_requirement_of_any_implementation(source: Path) -> None:
    module = importlib.import_module(f"visual_her_spec.{source.stem}")
    tests = {name: value for name, value in vars(module).items() if name.startswith("test_") and callable(value)}
    assert tests
    for name, test in tests.items():
        marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "requirement"]
        assert len(marks) == 1, f"{name} carries {len(marks)} requirements, not one"
        assert {"impl", *THROUGH_FIXTURES} & set(inspect.signature(test).parameters), f"{name} does not take impl"
    assert not [name for name in vars(module) if name.startswith("Test")], "tests are functions: nobody subclasses them"


def test_every_requirement_is_a_normative_sentence_with_reason_and_source() -> None:
    for entry in CATALOGUE.values():
        assert str(entry.level) in entry.sentence, f"{entry.id} does not say {entry.level}"
        assert entry.sentence.endswith("."), f"{entry.id} is no sentence"
        assert entry.reason, f"{entry.id} has no reason"
        assert entry.source, f"{entry.id} has no source"
    assert {entry.area for entry in CATALOGUE.values()} == set(AREAS)


@pytest.mark.parametrize("identifier", ["OBS-1", "XYZ-001", "obs-001", "OBS-001", "TRN-024"])
def test_a_bad_or_taken_id_is_refused(identifier: str) -> None:
    with pytest.raises(ValueError, match=identifier):
        requirement(identifier, "x", reason="x", source="x")
