"""Holds one mutant to the specification, in a process of its own: ``python -m mutants.examine NAME [--full]``."""

from __future__ import annotations

import importlib
import json
import sys

from visual_her_spec.catalogue import AREAS, CATALOGUE
from visual_her_spec.conformance import check_implementation
from visual_her_spec.document import import_requirements

# One cheap requirement of each area: a mutant of another area has to pass it.
CANARIES = ("OBS-001", "ENC-012", "GRD-003", "AUG-008", "HER-008", "RPL-001", "SAV-002", "TRN-009")


def examine(name: str, *, full: bool = False) -> dict[str, dict[str, str]]:
    """Requirement -> its outcome and message, for the mutant's own requirements and the canaries, or for all.

    Raises:
        ValueError: the mutant names a requirement that does not exist.
    """
    mutant = importlib.import_module(f"mutants.{name}")
    import_requirements()
    may_fail = getattr(mutant, "MAY_ALSO_FAIL", ())
    unknown = [i for i in (*mutant.CAUGHT_BY, *may_fail) if i not in CATALOGUE and i not in AREAS]
    if unknown:
        raise ValueError(f"mutant {name} names {unknown[0]}, which is no requirement")
    touched = {identifier[:3] for identifier in (*mutant.CAUGHT_BY, *may_fail)}
    canaries = [canary for canary in CANARIES if canary[:3] not in touched]
    select = () if full else (*mutant.CAUGHT_BY, *canaries)
    report = check_implementation(mutant.IMPLEMENTATION, select=select, learning="LRN" in touched)
    if report.adapter_error:
        return {"adapter": {"outcome": "failed", "message": report.adapter_error}}
    return {
        result.id: {"outcome": str(result.outcome), "message": result.message}
        for result in report.results
        if full or result.id in select
    }


if __name__ == "__main__":
    print(json.dumps(examine(sys.argv[1], full="--full" in sys.argv)))
