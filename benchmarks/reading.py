"""How much there is to read: the lines of the reference's core."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reference" / "visual_her"


def reading_order() -> list[str]:
    """The modules of the core, as README.md tells a reader to read them."""
    sentence = re.search(r"Read the reference in this order: (.*?)\.\s", (ROOT / "README.md").read_text(), re.DOTALL)
    assert sentence, "README.md names no reading order"
    return re.findall(r"`(\w+)`", sentence[1])


def lines_of_code(module: str) -> tuple[int, int]:
    """Non-blank lines without comments, of a module of the core: (without docstrings, with them)."""
    source = (PACKAGE / f"{module}.py").read_text()
    with_docstrings = {
        number for number, line in enumerate(source.splitlines(), 1) if line.strip() and line.strip()[0] != "#"
    }
    docstrings = set()
    for node in ast.walk(ast.parse(source)):
        for statement in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            text = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                docstrings |= set(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    return len(with_docstrings - docstrings), len(with_docstrings)
