"""The verdict: what executed and passed, against what had to; as a table, JSON lines, Markdown."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any

from visual_her_spec import __version__
from visual_her_spec.catalogue import AREAS, CATALOGUE, Level, Profile, Requirement
from visual_her_spec.protocol import Implementation


class Outcome(StrEnum):
    """What became of one requirement."""

    PASSED = "passed"
    FAILED = "failed"
    KNOWN = "known failure"
    NOT_CLAIMED = "not claimed"
    NOT_RUN = "not run"


class Verdict(StrEnum):
    """What it comes to."""

    CONFORMANT = "CONFORMANT"
    NOT_CONFORMANT = "NOT CONFORMANT"
    ADAPTER_WRONG = "ADAPTER WRONG"
    ADAPTER_USABLE = "ADAPTER USABLE"
    INCOMPLETE = "INCOMPLETE"


EXIT_CODES = {
    Verdict.CONFORMANT: 0,
    Verdict.NOT_CONFORMANT: 1,
    Verdict.ADAPTER_USABLE: 0,
    Verdict.ADAPTER_WRONG: 10,
    Verdict.INCOMPLETE: 11,
}


@dataclass(frozen=True)
class Result:
    """One requirement's outcome.

    Attributes:
        id: the requirement.
        outcome: what became of it.
        message: the failure in the implementer's terms, or the capability that is not claimed.
        seconds: time it took.
    """

    id: str
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


@dataclass
class Report:
    """What a run of the specification found.

    Attributes:
        header: implementation, versions, machine, selection.
        results: one a requirement of the manifest.
        adapter_error: why the adapter cannot be used; empty if it can.
        learning: whether the learning test was asked for.
        adapter_only: whether nothing but the adapter was looked at.
    """

    header: dict[str, Any]
    results: list[Result] = field(default_factory=list)
    adapter_error: str = ""
    learning: bool = False
    adapter_only: bool = False

    @property
    def verdict(self) -> Verdict:
        """Conformant only if every MUST of the manifest executed and passed, or is not claimed."""
        if self.adapter_error:
            return Verdict.ADAPTER_WRONG
        if self.adapter_only:
            return Verdict.ADAPTER_USABLE
        binding = [result for result in self.results if CATALOGUE[result.id].level is Level.MUST]
        if any(result.outcome is Outcome.FAILED for result in binding):
            return Verdict.NOT_CONFORMANT
        if not binding or any(result.outcome is Outcome.NOT_RUN for result in binding):
            return Verdict.INCOMPLETE
        return Verdict.CONFORMANT

    @property
    def exit_code(self) -> int:
        """0 conformant, 1 a MUST failed, 10 the adapter is wrong, 11 incomplete."""
        return EXIT_CODES[self.verdict]

    @property
    def failures(self) -> list[Result]:
        """Requirements that failed."""
        return [result for result in self.results if result.outcome is Outcome.FAILED]

    def counts(self, area: str | None = None) -> dict[Outcome, int]:
        """How many requirements of an area, or of all, had each outcome."""
        chosen = [result for result in self.results if area in (None, CATALOGUE[result.id].area)]
        return {outcome: sum(result.outcome is outcome for result in chosen) for outcome in Outcome}

    def headline(self) -> str:
        """One line: the verdict and what it rests on."""
        if self.adapter_error:
            return f"{self.verdict}: {self.adapter_error}"
        if self.adapter_only:
            return f"{self.verdict}: nothing was said about the implementation of {self.header['implementation']} yet"
        binding = [
            r for r in self.results if CATALOGUE[r.id].level is Level.MUST and r.outcome is not Outcome.NOT_CLAIMED
        ]
        passed = sum(result.outcome is Outcome.PASSED for result in binding)
        unclaimed = sorted({r.message for r in self.results if r.outcome is Outcome.NOT_CLAIMED})
        learning = "learning test included" if self.learning else "learning test not run (--learning)"
        claims = f"; not claimed: {', '.join(unclaimed)}" if unclaimed else ""
        known = [result.id for result in self.results if result.outcome is Outcome.KNOWN]
        claims = (f" but for known failures of {', '.join(known)}" if known else "") + claims
        return f"{self.verdict} {passed}/{len(binding)} MUST, profile {self.header['profile']}, {learning}{claims}"

    def terminal(self) -> str:
        """Failures in full, the counts by area, the headline."""
        lines = [f"FAILED {r.id}: {r.message}\n       {CATALOGUE[r.id].sentence}" for r in self.failures]
        lines += [f"known  {r.id}: {r.message}" for r in self.results if r.outcome is Outcome.KNOWN]
        lines += ["", *_table(self, " "), ""] if self.results else []
        lines += [f"{self.header['implementation']}: {self.headline()}"]
        return "\n".join(lines)

    def markdown(self) -> str:
        """The same for a page."""
        lines = [f"# {self.header['implementation']}: {self.headline()}", ""]
        lines += [f"* {key}: {value}" for key, value in self.header.items()]
        lines += ["", *_table(self, " | ", frame=True), ""]
        lines += ["| requirement | outcome | what |", "|---|---|---|"]
        for result in self.results:
            what = result.message or CATALOGUE[result.id].sentence
            lines.append(f"| {result.id} | {result.outcome} | {' '.join(what.split()).replace('|', '/')} |")
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        """Writes ``report.jsonl`` (header, results, footer: without its footer it is no report) and ``report.md``."""
        folder.mkdir(parents=True, exist_ok=True)
        footer = {
            "kind": "footer",
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "counts": self.counts(),
            "headline": self.headline(),
        }
        rows = [{"kind": "header", **self.header}]
        rows += [{"kind": "result", "level": CATALOGUE[r.id].level, **asdict(r)} for r in self.results]
        (folder / "report.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, footer]))
        (folder / "report.md").write_text(self.markdown())


def read_footer(path: Path) -> dict[str, Any]:
    """The footer of a ``report.jsonl``.

    Raises:
        ValueError: it has none, so the run did not end and there is no verdict.
    """
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    if not rows or rows[-1].get("kind") != "footer" or rows[0].get("kind") != "header":
        raise ValueError(f"{path} has no footer: the run did not end, so there is no verdict.")
    return dict(rows[-1])


def manifest(profile: Profile, areas: Iterable[str] | None, *, learning: bool) -> list[Requirement]:
    """The requirements that have to execute."""
    chosen = set(areas) if areas else set(AREAS) - (set() if learning else {"LRN"})
    return [
        entry
        for entry in sorted(CATALOGUE.values(), key=lambda entry: (list(AREAS).index(entry.area), entry.id))
        if entry.area in chosen and (profile is Profile.CHAPTER or entry.profile is Profile.CORE)
    ]


def header(impl: Implementation | None, path: str, profile: Profile) -> dict[str, Any]:
    """Who was tested with what."""
    packages = ("visual-her", "torch", "numpy", "gymnasium", "gymnasium-robotics", "mujoco", "stable-baselines3", "jax")
    return {
        "implementation": _told(impl, "name", str, path),
        "version": _told(impl, "version", str, "?"),
        "impl": path,
        "specification": __version__,
        "profile": str(profile),
        "capabilities": _told(impl, "capabilities", lambda claims: sorted(map(str, claims)), []),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "versions": {name: version for name in packages if (version := _installed(name))},
    }


def _told(impl: Implementation | None, name: str, form: Callable[[Any], Any], otherwise: Any) -> Any:
    """An attribute of what may be no adapter at all: that is reported, so the header must not fail over it."""
    try:
        return form(getattr(impl, name))
    except (Exception, SystemExit):
        return otherwise


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _table(report: Report, separator: str, *, frame: bool = False) -> list[str]:
    names = ["area", *(str(outcome) for outcome in Outcome)]
    rows = []
    for area, title in AREAS.items():
        counts = report.counts(area)
        if sum(counts.values()):
            rows.append([f"{area} {title}", *(str(counts[outcome]) for outcome in Outcome)])
    widths = [max(len(row[column]) for row in [names, *rows]) for column in range(len(names))]

    def line(cells: list[str]) -> str:
        padded = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {separator.join(padded)} |" if frame else separator.join(padded)

    rule = ["|" + "---|" * len(names)] if frame else []
    return [line(names), *rule, *map(line, rows)]
