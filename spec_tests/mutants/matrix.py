"""The kill matrix: ``python -m mutants.matrix [--full] > mutants/MATRIX.md`` runs every mutant, two at a time.

Without ``--full`` a mutant meets the requirements that it names and a canary of each other area; with it, all of them.
"""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from visual_her_spec.catalogue import CATALOGUE
from visual_her_spec.document import import_requirements

import mutants

TOOLS = ("examine", "matrix", "test_mutants")


def outcomes(name: str, *, full: bool) -> dict[str, dict[str, str]]:
    """What ``examine`` found, in a process of its own: a mutant changes the reference when it is imported."""
    command = [sys.executable, "-m", "mutants.examine", name, *(["--full"] if full else [])]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    found: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Prints the matrix as Markdown: each mutant with what catches it, each requirement with what it catches."""
    full = "--full" in sys.argv
    names = sorted(module.name for module in pkgutil.iter_modules(mutants.__path__) if module.name not in TOOLS)
    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(names, pool.map(lambda name: outcomes(name, full=full), names), strict=True))
    caught = {name: [i for i, r in found.items() if r["outcome"] == "failed"] for name, found in results.items()}
    import_requirements()
    print("# The kill matrix\n")
    what = (
        "every requirement but the learning test's"
        if full
        else "the requirements it names and one canary of each other area"
    )
    print(f"From `python -m mutants.matrix{' --full' if full else ''}` in `spec_tests`: each mutant against {what}.\n")
    print("| mutant | caught by |\n|---|---|")
    for name in names:
        print(f"| `{name}` | {', '.join(caught[name]) or '**nothing**'} |")
    print("\n| requirement | catches |\n|---|---|")
    for identifier in sorted(CATALOGUE):
        by = [f"`{name}`" for name in names if identifier in caught[name]]
        print(f"| {identifier} | {', '.join(by) or 'no mutant yet'} |")


if __name__ == "__main__":
    main()
