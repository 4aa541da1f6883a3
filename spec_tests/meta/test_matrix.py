"""The kill matrix has no empty row and no empty column, and its page is fresh."""

from __future__ import annotations

from pathlib import Path

from mutants import SOURCES, caught_by
from mutants.matrix import declared
from visual_her_spec.catalogue import CATALOGUE
from visual_her_spec.document import import_requirements

MATRIX = Path(__file__).parents[1] / "mutants" / "MATRIX.md"

import_requirements()


def test_every_requirement_has_a_mutant_that_it_catches() -> None:
    named = {identifier for name in SOURCES for identifier in caught_by(name)}
    assert set(CATALOGUE) - named == set(), "a requirement whose failure no mutant shows is padding"


def test_every_mutant_is_caught_by_something() -> None:
    assert len(SOURCES) > 100
    assert [name for name in SOURCES if not set(caught_by(name)) & set(CATALOGUE)] == []


def test_matrix_md_is_what_the_mutants_declare() -> None:
    assert MATRIX.read_text() == declared(), "MATRIX.md is stale: python -m mutants.matrix > mutants/MATRIX.md"
