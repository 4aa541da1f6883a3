"""Every mutant is caught by the requirements that it names, with a message that names the fault, and by no canary."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mutants import SOURCES, caught_by

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", SOURCES)
def test_mutant_is_caught_by_what_it_names_and_nothing_else(name: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT.parent / "reference")]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "mutants.examine", name]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = json.loads(done.stdout.splitlines()[-1])
    for identifier, words in caught_by(name).items():
        result = outcomes.pop(identifier, {"outcome": "not run", "message": ""})
        assert result["outcome"] == "failed", f"{identifier} does not catch {name}: {result}"
        assert words in result["message"], f"{identifier} does not name the fault ({words!r}): {result['message']}"
    innocent = {identifier: result for identifier, result in outcomes.items() if result["outcome"] != "passed"}
    assert not innocent, f"{name} also fails {innocent}"
