"""The verdict: exit codes, a broken adapter in one sentence, known failures strict both ways, names of entry points."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from visual_her.conformance import Reference
from visual_her_spec.conformance import check_implementation
from visual_her_spec.plugin import ENTRY_POINTS, load_implementation
from visual_her_spec.protocol import Capability
from visual_her_spec.report import Verdict, read_footer


class WithoutShift(Reference):
    """Its augmentation does nothing."""

    def random_shift(self, pixels: Any, *, pad: int, seed: int) -> Any:
        return pixels


class AnotherShape(Reference):
    """Its actions are one too many."""

    def make_agent(self, *arguments: Any, **options: Any) -> Any:
        agent = super().make_agent(*arguments, **options)
        act = agent.act
        agent.act = lambda observations, deterministic: np.pad(  # type: ignore[method-assign]
            act(observations, deterministic=deterministic), ((0, 0), (0, 1))
        )
        return agent


class Raises(Reference):
    """It has no buffer."""

    def make_replay(self, *arguments: Any, **options: Any) -> Any:
        raise FileNotFoundError("there is\nno buffer")


class WithoutMethod(Reference):
    """It claims what it does not offer."""

    learn: Any = property(lambda self: getattr(self, "_learn"))  # noqa: B009  # hasattr is then false


class Nameless:
    """Hardly an adapter."""


class StrangeClaim(Reference):
    """It claims what nobody knows."""

    capabilities = frozenset({"telepathy"})  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("adapter", "sentence"),
    [
        (AnotherShape(), "act returns shape (4, 5): return (batch, actions)."),
        (Raises(), "Raises.make_replay raised FileNotFoundError: there is no buffer"),
        (WithoutMethod(), "WithoutMethod claims 'learning' but has no method 'learn'"),
        (Nameless(), "Nameless has no attribute 'name'"),
        (StrangeClaim(), "capability 'telepathy' is unknown"),
        ("no_such_module:IMPLEMENTATION", "cannot be loaded (ModuleNotFoundError"),
        ("no-such-name", "is no entry point of visual_her.implementations"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value[:20],
)
def test_a_broken_adapter_is_one_sentence_and_exit_code_10(adapter: Any, sentence: str) -> None:
    report = check_implementation(adapter)
    assert (report.verdict, report.exit_code) == (Verdict.ADAPTER_WRONG, 10)
    assert sentence in report.adapter_error
    assert "\n" not in report.headline()


def test_a_failed_must_is_exit_code_1() -> None:
    report = check_implementation(WithoutShift(), areas=["AUG"])
    assert report.exit_code == 1
    assert report.failures


def test_known_failures_are_named_and_no_longer_fail(tmp_path: Path) -> None:
    failed = [result.id for result in check_implementation(WithoutShift(), areas=["AUG"]).failures]
    known = tmp_path / "known.toml"
    known.write_text("".join(f'[[known]]\nid = "{identifier}"\nreason = "we have none"\n' for identifier in failed))
    report = check_implementation(WithoutShift(), areas=["AUG"], known_failures=known)
    assert report.exit_code == 0
    assert f"but for known failures of {', '.join(failed)}" in report.headline()
    assert f"known  {failed[0]}: we have none" in report.terminal()


@pytest.mark.parametrize(
    ("toml", "exit_code", "words"),
    [
        ('[[known]]\nid = "AUG-001"\nreason = "once upon a time"\n', 1, "but passes: remove it from"),
        ('[[known]]\nid = "AUG-999"\nreason = "?"\n', 10, "AUG-999, which is no requirement"),
        ('[[known]]\nid = "AUG-001"\n', 10, "write [[known]] tables with id and reason"),
    ],
)
def test_known_failures_are_strict(toml: str, exit_code: int, words: str, tmp_path: Path) -> None:
    known = tmp_path / "known.toml"
    known.write_text(toml)
    report = check_implementation(Reference(), areas=["AUG"], known_failures=known)
    assert report.exit_code == exit_code
    assert words in report.terminal()


def test_a_selection_that_leaves_something_out_is_incomplete() -> None:
    report = check_implementation(Reference(), areas=["AUG"], select=["AUG-001"])
    assert (report.verdict, report.exit_code) == (Verdict.INCOMPLETE, 11)


def test_what_is_not_claimed_is_listed_by_name() -> None:
    class Modest(Reference):
        capabilities = frozenset(Capability) - {Capability.RANDOM_SHIFT}

    report = check_implementation(Modest(), areas=["AUG"])
    assert "not claimed: random-shift" in report.headline()


def test_a_report_without_its_footer_is_none(tmp_path: Path) -> None:
    check_implementation(Reference(), areas=["AUG"], report_dir=tmp_path)
    report = tmp_path / "report.jsonl"
    assert read_footer(report)["exit_code"] == 0
    report.write_text("".join(line + "\n" for line in report.read_text().splitlines()[:-1]))
    with pytest.raises(ValueError, match="footer"):
        read_footer(report)


def test_a_name_of_the_entry_point_group_is_an_implementation(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = importlib.metadata.EntryPoint("ours", "visual_her.conformance:IMPLEMENTATION", ENTRY_POINTS)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    assert load_implementation("ours").name == Reference.name


def test_an_unknown_area_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no area 'XYZ': choose from OBS"):
        check_implementation(Reference(), areas=["XYZ"])
