"""Diagnosis: the phase of real runs, their past included, and the symptom that a broken run shows."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from visual_her import sac
from visual_her.cli import run
from visual_her.config import CHAPTER, TrainConfig
from visual_her.diagnosis import (
    ACTOR,
    CRITIC,
    GRADIENT,
    MOVED,
    PROBE,
    SPREAD,
    SUCCESS,
    Curve,
    converged,
    diagnose,
    read_curve,
)
from visual_her.errors import UsageError
from visual_her.recipes import RECIPES

CURVES = Path(__file__).parents[2] / "acceptance" / "curves"


def until(curve: Curve, step: float) -> Curve:
    """The curve as it was at ``step``."""
    series = {name: (steps[steps <= step], values[steps <= step]) for name, (steps, values) in curve.series.items()}
    return dataclasses.replace(curve, series={name: pair for name, pair in series.items() if len(pair[0])})


def curve(config: TrainConfig = CHAPTER, meta: dict[str, Any] | None = None, **shapes: tuple[float, float]) -> Curve:
    """2 M env steps in 100 rows; each metric goes straight from one value to another, with a little noise."""
    names = {"success": SUCCESS, "critic": CRITIC, "actor": ACTOR, "moved": MOVED, "probe": PROBE, "spread": SPREAD}
    names |= {"gradient": GRADIENT, "fps": "time/fps"}
    steps, rng = np.linspace(20_000, 2_000_000, 100), np.random.default_rng(0)

    def values(first: float, last: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.linspace(first, last, 100) * (1 + 0.02 * rng.standard_normal(100))

    return Curve({names[name]: (steps, values(*ends)) for name, ends in shapes.items()}, config, meta or {})


@pytest.mark.parametrize(
    ("arm", "step", "phase"),
    [
        ("fast-state-first/seed10", 5_000, "too early"),
        ("fast-state-first/seed10", 40_000, "failure"),
        ("fast-state-first/seed10", 150_000, "hockey-stick"),
        ("fast-state-first/seed10", 250_000, "convergence"),
        ("fast-state-first/seed100", 40_000, "failure"),
        ("fast-state-first/seed100", 120_000, "hockey-stick"),
        ("fast-state-first/seed100", 250_000, "convergence"),
        ("full-state/seed0", 351_600, "failure"),
        ("laptop-first/seed10", 50_000, "failure"),
        ("laptop-first/seed10", 150_000, "hockey-stick"),
        ("demo/seed100", 5_000, "hockey-stick"),
        ("fast-state-first/seed101", 90_000, "failure"),
        ("fast-state-first/seed101", 250_000, "convergence"),
        ("laptop-first/seed100", 350_000, "convergence"),
        ("blind-first/seed100", 250_000, "convergence"),
        ("blind-desired-first/seed100", 250_000, "failure"),
        ("tiny/seed100", 4_000, "convergence"),
        ("tiny-shared/seed100", 4_000, "failure"),
        ("sight-miswired/seed100", 48_000, "failure"),
        ("sight/seed100", 10_000, "failure"),
        ("sight/seed100", 35_000, "hockey-stick"),
    ],
)
def test_the_phase_of_a_committed_run(arm: str, step: int, phase: str) -> None:
    assert diagnose(until(read_curve(CURVES / arm), step)).phase == phase


@pytest.mark.parametrize(
    ("arm", "cause"),
    [
        ("sight-miswired/seed100", "no gradient of the critic's loss reaches the encoder"),
        ("tiny-shared/seed100", "the critic does not train the encoder that acts"),
        ("demo-no-her/seed100", "HER is off"),
        ("blind-desired-first/seed100", "nothing says where the object is"),
    ],
)
def test_the_cause_of_a_run_that_was_broken_on_purpose(arm: str, cause: str) -> None:
    assert any(cause in finding for finding in diagnose(read_curve(CURVES / arm)).findings)


@pytest.mark.parametrize("arm", ["fast-state-first/seed101", "laptop-first/seed100", "tiny/seed100", "demo/seed102"])
def test_a_good_run_is_not_accused(arm: str) -> None:
    wiring = ("HER is off", "the critic does not train", "no gradient", "are the same for every picture", "not finite")
    findings = diagnose(read_curve(CURVES / arm)).findings
    assert not any(accusation in finding for accusation in wiring for finding in findings), findings


def test_a_falling_critic_loss_means_failure_or_convergence_depending_on_success() -> None:
    falling = {"critic": (0.3, 0.04), "actor": (1.0, 1.0)}
    assert diagnose(curve(success=(0.05, 0.05), **falling)).phase == "failure"
    assert diagnose(curve(success=(0.95, 0.95), **falling)).phase == "convergence"


def test_losses_that_move_show_the_take_off_before_success_does() -> None:
    flat = {"success": (0.06, 0.06), "moved": (0.05, 0.9)}
    assert diagnose(curve(critic=(0.05, 0.6), actor=(4.0, 1.0), **flat)).phase == "hockey-stick"
    assert diagnose(curve(critic=(0.05, 0.05), actor=(4.0, 4.0), **flat)).phase == "failure"


@pytest.mark.parametrize(
    ("config", "shapes", "sentence"),
    [
        ({"critic_encoder": False}, {}, "use --critic-encoder"),
        ({"drq": True}, {}, "use --no-drq"),
        ({"blank_pixels": True}, {}, "the pixels are blank"),
        ({"critic_encoder": False, "pixels": False}, {}, "the control with the 25-D state is --full-state"),
        ({"pixels": False, "goal_mode": "desired"}, {}, "nothing says where the object is"),
        ({}, {"moved": (0.04, 0.04)}, "the object hardly ever moves"),
        ({}, {"probe": (9.0, 9.0)}, "the eyes are what is missing"),
        ({}, {"gradient": (0.0, 0.0)}, "no gradient of the critic's loss reaches the encoder"),
        ({}, {"spread": (1e-5, 1e-5)}, "the keypoints are stuck"),
        ({"her_n_sampled_goal": 0}, {}, "HER is off"),
        ({"patience": 1_000_000}, {}, "this is not patience any more"),
        ({}, {}, "as it should be before the take-off"),
        ({}, {"critic": (0.3, 0.04)}, "which is no progress"),
        ({"render_size": 480}, {"fps": (12.0, 12.0)}, "a large --render-size"),
    ],
)
def test_a_symptom_is_named(config: dict[str, Any], shapes: dict[str, Any], sentence: str) -> None:
    sick = {"success": (0.05, 0.05), "critic": (0.1, 0.1), "actor": (1.0, 1.0), "moved": (0.5, 0.5)} | shapes
    found = diagnose(curve(dataclasses.replace(CHAPTER, **config), **sick)).findings
    assert any(sentence in finding for finding in found), found
    well = curve(success=(0.96, 0.96), critic=(0.3, 0.2), actor=(1.0, -0.5), moved=(0.9, 0.9), probe=(2.0, 1.0),
                 gradient=(1.0, 1.0), spread=(0.3, 0.3))  # fmt: skip
    assert diagnose(well).findings == []


def test_software_rendering_is_a_finding_only_where_there_is_a_gpu() -> None:
    shapes = {"success": (0.96, 0.96), "critic": (0.3, 0.2), "actor": (1.0, -0.5)}
    for gpu, named in (("NVIDIA H100", True), (None, False)):
        meta = {"gl_renderer": "llvmpipe (LLVM 15)", "hardware": {"gpu": gpu}}
        findings = diagnose(curve(meta=meta, **shapes)).findings
        assert any("draws in software" in finding for finding in findings) is named


def test_a_loss_that_is_not_finite_is_named() -> None:
    sick = curve(success=(0.05, 0.05), critic=(0.1, math.nan), actor=(1.0, 1.0))
    assert any("not finite" in finding for finding in diagnose(sick).findings)


def test_the_rule_to_stop_is_the_chapters() -> None:
    """Not before patience; then above 90 % for a sixth of it, with a falling critic loss."""
    good = {"success": (0.95, 0.95), "critic": (0.9, 0.1), "actor": (1.0, -0.5)}
    patient, eager = CHAPTER, dataclasses.replace(CHAPTER, patience=1_500_000)
    assert not converged(curve(patient, **good))
    assert converged(curve(eager, **good))
    assert not converged(curve(eager, **{**good, "success": (0.5, 0.95)}))
    assert not converged(curve(eager, **{**good, "critic": (0.1, 0.9)}))


def test_a_run_that_has_converged_stops_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("visual_her.training.converged", lambda curve: curve.steps >= 200)
    flags = "--env FetchReach-v4 --full-state --n-envs 2 --batch-size 8 --net-arch 8 --learning-starts 100"
    assert run(["train", *flags.split(), "--buffer-size", "400", "--total-steps", "1000", "--stop-when-converged"]) == 0
    (path,) = Path("checkpoints").glob("*.zip")
    assert 200 <= int(path.stem.split("_")[-2]) < 1000


def test_foreign_tensorboard_events_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger = Logger(str(tmp_path / "SAC_1"), [TensorBoardOutputFormat(str(tmp_path / "SAC_1"))])
    for row in range(60):
        for name, value in ((SUCCESS, 0.05), (CRITIC, 0.3 - 0.004 * row), (ACTOR, 1.0)):
            logger.record(name, value)
        logger.dump(10_000 * row)
    logger.close()
    assert run(["diagnose", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(
        "failure: success 5 % and flat, critic loss falling, actor loss flat, at 590,000 env steps"
    )
    assert "which is no progress" in printed
    (tmp_path / "SAC_2").mkdir()
    (tmp_path / "SAC_2" / "events.out.tfevents.1").write_bytes(b"")
    with pytest.raises(UsageError, match="several runs"):
        read_curve(tmp_path)


def test_a_folder_without_a_curve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no progress\.csv and no TensorBoard events"):
        read_curve(tmp_path)


def test_every_recipe_has_its_patience() -> None:
    assert all(
        config.patience <= config.total_steps for _, config in RECIPES.values() if config.total_steps < 2_000_000
    )


def test_an_encoder_that_no_gradient_reaches_is_logged_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a run whose loop hands out detached features: the figure is 0, not absent."""
    encode = sac.encode
    monkeypatch.setattr(
        sac, "encode", lambda policy, observations: tuple(f.detach() for f in encode(policy, observations))
    )
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.chdir(tmp_path)
    line = "train --env sight_task:Sight-v0 --critic-encoder --no-drq --image-size 16 --num-filters 4 --batch-size 8 "
    line += "--net-arch 8 --n-envs 2 --buffer-size 200 --learning-starts 40 --total-steps 200 --torch-threads 1"
    assert run(line.split()) == 0
    (log,) = Path("runs").rglob("progress.csv")
    _, values = read_curve(log.parent).series[GRADIENT]
    assert (values == 0).all()
