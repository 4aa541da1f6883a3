"""The profile: phases add up to the run's time, and each is what it is called."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from visual_her.cli import run
from visual_her.profiling import PHASES
from visual_her.stopwatch import Stopwatch

RUN = (
    "train --env FetchReach-v4 --critic-encoder --no-drq --image-size 42 --batch-size 16 --buffer-size 400 "
    "--net-arch 8 --learning-starts 200 --total-steps 400 --checkpoint-freq 0 --torch-threads 1"
)


def test_what_is_timed_inside_is_taken_off_the_outer_one() -> None:
    watch = Stopwatch()
    inner = watch.timed("inner", lambda: time.sleep(0.05))

    def work() -> None:
        time.sleep(0.02)
        inner()

    watch.timed("outer", work)()
    assert 0.05 <= watch.seconds["inner"] < 0.07
    assert 0.02 <= watch.seconds["outer"] < 0.04


def test_a_function_that_raises_is_timed_as_well() -> None:
    watch = Stopwatch()

    def fail() -> None:
        time.sleep(0.02)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # its own
        watch.timed("phase", fail)()
    watch.timed("after", lambda: None)()
    assert watch.seconds["phase"] >= 0.02
    assert watch.seconds["after"] < 0.01


@pytest.mark.parametrize("n_envs", [1, 2])
def test_the_phases_of_a_run_add_up(
    n_envs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*RUN.split(), "--n-envs", str(n_envs)]) == 0
    (said,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("where the time went: "))
    (progress,) = tmp_path.rglob("progress.csv")
    header, *_, last = (line.split(",") for line in progress.read_text().splitlines())
    shares = {name[8:]: float(share) for name, share in zip(header, last, strict=True) if name.startswith("profile/")}
    assert sum(shares.values()) == pytest.approx(1, abs=0.02)
    assert set(shares) <= set(PHASES)
    expected = {"simulate", "render", "sample", "encode", "update"}
    assert expected <= set(shares)
    assert all(name in said for name in ("render", "encode", "update"))
    assert shares["sample"] < shares["update"]
