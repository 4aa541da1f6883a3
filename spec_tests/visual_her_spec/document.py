"""SPEC.md, generated from the catalogue: ``python -m visual_her_spec``."""

from __future__ import annotations

import importlib
import pkgutil

import visual_her_spec
from visual_her_spec.catalogue import AREAS, CATALOGUE, RETIRED, Requirement

_INTRODUCTION = """\
# The specification of visual HER

Generated from the catalogue by `python -m visual_her_spec > SPEC.md`; a test fails when it is stale. MUST and SHOULD
are those of RFC 2119. Profile `core` holds for any correct implementation; `chapter` adds the choices of the tutorial
chapter that this project started from. A requirement with a capability binds only those who claim it.
"""


def document() -> str:
    """The whole page, Markdown."""
    import_requirements()
    lines = [_INTRODUCTION]
    for area, title in AREAS.items():
        entries = sorted((entry for entry in CATALOGUE.values() if entry.area == area), key=lambda entry: entry.id)
        lines += [f"## {area}: {title}", "", *(line for entry in entries for line in _section(entry))]
    lines += ["## Retired", "", *(f"**{identifier}** {what}." for identifier, what in sorted(RETIRED.items()))]
    return "\n".join(lines).rstrip() + "\n"


def import_requirements() -> None:
    """Imports every test module, which registers its requirements."""
    for module in pkgutil.iter_modules(visual_her_spec.__path__):
        if module.name.startswith("test_"):
            importlib.import_module(f"visual_her_spec.{module.name}")


def _section(entry: Requirement) -> list[str]:
    capability = f", capability `{entry.capability}`" if entry.capability else ""
    return [
        f"**{entry.id}** ({entry.level}, {entry.profile}{capability}) {entry.sentence}",
        f"*Reason:* {entry.reason}. *Source:* {entry.source}.",
        "",
    ]
