"""The catalogue of requirements: every test of the specification carries exactly one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import pytest

from visual_her_spec.protocol import Capability

Test = TypeVar("Test", bound=Callable[..., Any])

AREAS = {
    "OBS": "observations",
    "ENC": "encoder",
    "GRD": "gradient routing",
    "AUG": "augmentation",
    "HER": "relabelling",
    "RPL": "replay",
    "SAV": "persistence",
    "TRN": "training",
    "LRN": "learning",
    "BEL": "belief",
}


class Level(StrEnum):
    """How binding a requirement is (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Profile(StrEnum):
    """``core`` holds for any correct visual HER, ``chapter`` adds this chapter's choices."""

    CORE = "core"
    CHAPTER = "chapter"


@dataclass(frozen=True)
class Requirement:
    """One requirement.

    Attributes:
        id: ``AREA-NNN``, never reused.
        sentence: what has to hold, normative.
        reason: what goes wrong without it.
        source: chapter section, paper or issue thread.
        level: MUST or SHOULD.
        profile: core or chapter.
        capability: tested only where it is claimed; ``None`` binds everybody.
    """

    id: str
    sentence: str
    reason: str
    source: str
    level: Level
    profile: Profile
    capability: Capability | None

    @property
    def area(self) -> str:
        """The three letters of its area."""
        return self.id.partition("-")[0]


CATALOGUE: dict[str, Requirement] = {}

RETIRED = {
    "TRN-024": "asked of a policy that the object's true position had taught to act without it; that track is gone",
}
"""Ids of requirements that are no more, and what they asked: none is given out again."""


def requirement(
    identifier: str,
    sentence: str,
    *,
    reason: str,
    source: str,
    level: Level = Level.MUST,
    profile: Profile = Profile.CORE,
    capability: Capability | None = None,
) -> Callable[[Test], Test]:
    """Registers the decorated test as the check of one requirement.

    Raises:
        ValueError: the id is malformed, of no known area, or taken.
    """
    if not re.fullmatch(r"[A-Z]{3}-\d{3}", identifier) or identifier[:3] not in AREAS:
        raise ValueError(f"{identifier} is no requirement id: use AREA-NNN with an area of {', '.join(AREAS)}.")
    if identifier in CATALOGUE or identifier in RETIRED:
        raise ValueError(f"{identifier} is taken: ids are never reused.")
    entry = Requirement(identifier, sentence, reason, source, level, profile, capability)
    CATALOGUE[identifier] = entry

    def mark(test: Test) -> Test:
        marked: Test = pytest.mark.requirement(entry)(test)
        return marked

    return mark
