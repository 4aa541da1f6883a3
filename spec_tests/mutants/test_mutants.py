"""Every mutant is caught by the requirements that it names, with a message that names the fault, and by no canary."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import mutants

NAMES = sorted(
    m.name for m in pkgutil.iter_modules(mutants.__path__) if m.name not in ("examine", "matrix", "test_mutants")
)
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", NAMES)
def test_mutant_is_caught_by_what_it_names_and_nothing_else(name: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mutants.examine", name]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = json.loads(done.stdout.splitlines()[-1])
    source = ROOT / "mutants" / f"{name}.py"
    caught_by = _constant(source, "CAUGHT_BY")
    for identifier, words in caught_by.items():
        result = outcomes.pop(identifier, {"outcome": "not run", "message": ""})
        assert result["outcome"] == "failed", f"{identifier} does not catch {name}: {result}"
        assert words in result["message"], f"{identifier} does not name the fault ({words!r}): {result['message']}"
    innocent = {identifier: result for identifier, result in outcomes.items() if result["outcome"] != "passed"}
    assert not innocent, f"{name} also fails {innocent}"


def _constant(source: Path, name: str) -> dict[str, str]:
    """Read without importing: a mutant changes the reference when it is imported."""
    import ast

    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            found: dict[str, str] = ast.literal_eval(node.value)
            return found
    raise AssertionError(f"{source} has no {name}")


def test_there_is_a_mutant_for_each_area() -> None:
    caught = {
        identifier[:3] for name in NAMES for identifier in _constant(ROOT / "mutants" / f"{name}.py", "CAUGHT_BY")
    }
    assert caught >= {"OBS", "ENC", "GRD", "AUG", "HER", "RPL", "SAV", "TRN"}
