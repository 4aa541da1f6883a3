"""Curves side by side: when a recipe took off, and the picture over its seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from visual_her.cli import run
from visual_her.learning_curves import Arm, find_runs

CURVES = Path(__file__).parents[2] / "acceptance" / "curves"
STEPS = np.arange(1.0, 101.0) * 1_000


def arm(*curves: np.ndarray) -> Arm:  # type: ignore[type-arg]
    return Arm("arm", [(STEPS, curve) for curve in curves])


def test_a_mark_is_reached_where_success_stays() -> None:
    spike, step = np.full(100, 0.05), np.full(100, 0.05)
    spike[20] = 0.95
    step[60:] = 0.95
    np.testing.assert_array_equal(arm(spike, step).steps_to(0.9), [np.nan, 61_000])
    np.testing.assert_array_equal(arm(step).steps_to(0.15), [61_000])


def test_committed_runs_are_found_by_arm_and_seed() -> None:
    arms = {found.name: found for found in find_runs([CURVES])}
    assert len(arms["demo"].seeds) == len(list((CURVES / "demo").glob("seed*")))
    assert set(arms) == {folder.name for folder in CURVES.iterdir()}
    take_off = arms["fast-state-first"].steps_to(0.15)
    assert 90_000 < take_off.min() <= take_off.max() < 130_000


def test_a_folder_without_a_run_beside_one_with_runs_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "curves.png"
    assert run(["compare", str(CURVES / "demo"), str(CURVES / "no-such-arm"), "--plot", str(plot)]) == 2
    assert "no-such-arm" in capsys.readouterr().err
    assert not plot.exists()


def test_compare_draws_curves_and_prints_the_ratio_of_two_arms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "plots" / "curves.png"
    picture.parent.mkdir()
    line = ["compare", str(CURVES / "fast-state-first"), str(CURVES / "laptop-first"), "--plot", str(picture)]
    assert run(line) == 0
    printed = capsys.readouterr().out
    assert "fast-state" in printed
    assert "ratio of the medians" in printed
    with Image.open(picture) as drawn:
        assert drawn.width > 600
        assert len(drawn.convert("RGB").getcolors(2**20) or []) > 20, "the picture is empty"
    before = picture.read_bytes()
    assert run(line) == 2
    assert "exists" in capsys.readouterr().err
    assert picture.read_bytes() == before
