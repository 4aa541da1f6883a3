"""The one table: ours, the peer, the ratio, the target, met or not; and the conditions behind its figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.table import Table
from visual_her.provenance import provenance
from visual_her.rendering import probe_gl_renderer

COMMAND = "tox run -e bench"
HEADER = ("What", "Ours", "Peer", "Ratio", "Target", "Met")
EXPLANATION = (
    "The peer is the chapter's own pipeline ([`chapter_baseline.py`](chapter_baseline.py)), measured in turn with ours "
    "in the same run. Times and rates are medians of 7 or 9 rounds; a ratio is the median over the rounds of the ratio "
    "within one round, with the least and the largest of them behind it."
)

Verdict = Literal["yes", "**no**"]


@dataclass(frozen=True)
class Row:
    """One claim.

    Attributes:
        what: what was measured.
        ours: the reference's figure, with unit.
        peer: the peer's, or the bound's.
        ratio: how many times better, or the share of the bound.
        target: of the ratio or the figure.
        met: whether it is reached.
    """

    what: str
    ours: str
    peer: str
    ratio: str
    target: str
    met: Verdict


def verdict(met: bool) -> Verdict:
    """As the table says it."""
    return "yes" if met else "**no**"


def conditions(load_before: float) -> list[str]:
    """Hardware, renderer, threads, versions, commit, and how busy the machine was, one line each.

    Args:
        load_before: the machine's load average before the run.
    """
    facts = provenance()
    hardware, versions = facts["hardware"], facts["versions"]
    backend, renderer = probe_gl_renderer()
    return [
        f"{hardware['cpu']}, {hardware['cores']} cores, {hardware['memory_gb']} GB, GPU: {hardware['gpu'] or 'none'}",
        f"renderer: {renderer} ({backend}); torch threads: {torch.get_num_threads()}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"commit {facts['git_commit']}, {facts['created_at']}, load average before the run: {load_before:.2f}",
    ]


def load_average() -> float:
    """Processes that want a core, mean of the last minute; ours not yet among them at the start of a run."""
    return os.getloadavg()[0]


def print_table(rows: Sequence[Row], notes: Sequence[str]) -> None:
    """To the terminal."""
    table = Table(*HEADER, title="cost, beside the chapter's pipeline")
    for row in rows:
        table.add_row(*(cell.replace("**", "") for cell in astuple(row)))
    console = Console()
    console.width = console.width if console.is_terminal else 170
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)


def write_markdown(path: Path, rows: Sequence[Row], notes: Sequence[str]) -> None:
    """The table as a page of its own."""
    lines = ["# Cost", "", f"Made by `{COMMAND}`. {EXPLANATION}", ""]
    lines += [_line(HEADER), _line(["---"] * len(HEADER)), *(_line(astuple(row)) for row in rows), ""]
    lines += [f"* {note}" for note in notes]
    path.write_text("\n".join(lines) + "\n")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
