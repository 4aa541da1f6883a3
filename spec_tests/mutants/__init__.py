"""Wrong implementations: one realistic wiring bug a file, and the requirements that have to catch it.

A mutant imports the reference, patches one thing in it, and declares ``CAUGHT_BY``, the requirements that have to fail
with words of their message, and ``MAY_ALSO_FAIL``, the areas whose canary may fail as well.
"""

import ast
from pathlib import Path
from typing import Any

TOOLS = {"__init__", "examine", "matrix", "test_mutants"}
SOURCES = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.py")) if path.stem not in TOOLS}
"""Name of a mutant -> its file."""


def caught_by(name: str) -> dict[str, str]:
    """Requirement -> words of its message. Read without importing: a mutant changes the reference."""
    return _constant(name, "CAUGHT_BY")  # type: ignore[no-any-return]


def docstring(name: str) -> str:
    """What is wrong with it."""
    return ast.get_docstring(ast.parse(SOURCES[name].read_text())) or ""


def _constant(name: str, constant: str) -> Any:
    for node in ast.parse(SOURCES[name].read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == constant:
            return ast.literal_eval(node.value)
    raise ValueError(f"the mutant {name} has no {constant}: name the requirements that have to catch it")
