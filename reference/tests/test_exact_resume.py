"""Stopped and resumed equals never stopped, bit for bit: networks, optimizers, replay, normalisers, generators."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from visual_her import checkpoint as checkpoints
from visual_her import training
from visual_her.cli import run

# 2 environments in worker processes, whose goals and distractors are drawn at each reset; DrQ is on.
# Overlap is the harder case: at a checkpoint an update could be due.
LINE = (
    "train --env sight_task:Sight-v0 --critic-encoder --image-size 16 --num-filters 4 "
    "--batch-size 8 --net-arch 8 --n-envs 2 --buffer-size 200 --learning-starts 40 --standardize --random-actions 0.2 "
    "--torch-threads 1 --device cpu --overlap"
)
SPACING = 40  # env steps: two episodes of each environment
BELIEF = (
    "train --recipe laptop --n-envs 2 --image-size 16 --num-filters 4 --batch-size 8 --net-arch 8 --buffer-size 300 "
    "--learning-starts 100 --device cpu --checkpoint-freq 100 --total-steps 400"
)


@pytest.fixture(scope="module", autouse=True)
def task_on_path() -> Iterator[None]:
    """In worker processes and in programs of their own, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        patch.setenv("PYTHONPATH", f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        yield


def train(folder: Path, flags: str, line: str = f"{LINE} --checkpoint-freq {SPACING}") -> None:
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        assert run(shlex.split(f"{line} {flags}")) == 0


def newest(folder: Path) -> Path | None:
    """The checkpoint to resume from: of those that have a replay buffer beside them, the last."""
    whole = [path for path in (folder / "checkpoints").glob("*.zip") if checkpoints.replay_path(path).exists()]
    return max(whole, key=lambda path: checkpoints.read(path).step, default=None)


def seconds_of(checkpoint: Path | None) -> float:
    assert checkpoint
    return float(json.loads(checkpoint.with_suffix(".meta.json").read_text())["training_time_sec"])


def contents(path: Path) -> dict[str, Any]:
    """Every number of a checkpoint and of its replay buffer, by name."""
    stored = checkpoints.read(path)
    numbers: dict[str, Any] = {name: stored.state[name] for name in ("step", "updates", "buffer_rng", "action_rng")}
    flatten("", stored.weights, numbers)
    with np.load(checkpoints.replay_path(path)) as arrays:
        numbers |= {f"replay/{name}": arrays[name] for name in arrays.files}
    return numbers


def flatten(prefix: str, value: Any, into: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            flatten(f"{prefix}/{key}", item, into)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            flatten(f"{prefix}/{index}", item, into)
    else:
        into[prefix] = value.numpy() if isinstance(value, torch.Tensor) else value


def assert_the_same(left: Path, right: Path) -> None:
    first, second = contents(left), contents(right)
    assert first.keys() == second.keys()
    different = [name for name in first if not np.array_equal(first[name], second[name])]
    assert not different, f"differ after the resume: {different[:5]}"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 env steps in one go."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(folder, "--total-steps 240")
    return folder


def test_two_equal_runs_are_equal(uninterrupted: Path, tmp_path: Path) -> None:
    """Without this, equality after a resume would say nothing; with another seed they differ."""
    train(tmp_path, "--total-steps 240")
    final = newest(uninterrupted)
    assert final
    assert_the_same(final, newest(tmp_path) or final)
    (tmp_path / "other").mkdir()
    train(tmp_path / "other", "--total-steps 240 --seed 1")
    with pytest.raises(AssertionError, match="differ"):
        assert_the_same(final, newest(tmp_path / "other") or final)


def test_a_run_that_was_stopped_and_resumed_is_the_one_that_never_was(uninterrupted: Path, tmp_path: Path) -> None:
    train(tmp_path, "--total-steps 120")
    seconds = seconds_of(newest(tmp_path))
    train(tmp_path, f"--total-steps 240 --resume {newest(tmp_path)}")
    assert seconds_of(newest(tmp_path)) > seconds + 1, "the time of a run is that of all its sessions"
    final = newest(uninterrupted)
    assert final
    assert_the_same(final, newest(tmp_path) or final)


def test_a_run_with_a_belief_goes_on_with_its_classifier_and_what_it_has_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    train(tmp_path / "whole", "", BELIEF)
    for stop in (100, 300):  # as --time-budget does; its classifier's learning rate falls over all of --total-steps
        resume = newest(tmp_path / "parts")
        monkeypatch.setattr(training._Run, "_stop", lambda run, at=stop: run.agent.num_timesteps >= at)
        train(tmp_path / "parts", f"--resume {resume}" if resume else "", BELIEF)
        assert checkpoints.read(newest(tmp_path / "parts") or "").step == stop
    monkeypatch.undo()
    train(tmp_path / "parts", f"--resume {newest(tmp_path / 'parts')}", BELIEF)
    final = newest(tmp_path / "whole")
    assert final
    assert_the_same(final, newest(tmp_path / "parts") or final)
    assert contents(final)["/classifier/publications"] > 100, "it did not learn at every step after the first episodes"


def test_a_run_that_is_killed_again_and_again_ends_the_same(
    uninterrupted: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """SIGKILL at random moments, twice here; ``--kills 20`` takes 3 minutes. As many runs as it takes."""
    generator, wanted, kills, begun = random.Random(0), request.config.getoption("--kills"), 0, 0
    (tmp_path / "whole").mkdir()
    started = time.monotonic()
    assert killed_and_resumed_to_the_end(tmp_path / "whole", []) == 0
    whole = time.monotonic() - started  # seconds, from the start of the program to the end of the run
    final = newest(uninterrupted)
    assert final
    while kills < wanted:
        folder = tmp_path / str(begun)
        folder.mkdir()
        begun += 1
        moments = [whole * generator.uniform(0.4, 1) for _ in range(wanted - kills)]
        kills += killed_and_resumed_to_the_end(folder, moments)
        assert_the_same(final, newest(folder) or final)
    print(f"{kills} kills in {begun} runs")


def killed_and_resumed_to_the_end(folder: Path, moments: list[float]) -> int:
    """Kills one run at each of the moments, in seconds, and resumes it; returns how often before it was through."""
    line = [sys.executable, "-m", "visual_her", *shlex.split(f"{LINE} --checkpoint-freq {SPACING} --total-steps 240")]
    kills = 0
    while True:
        resume = newest(folder)
        if resume is None:  # what a run left that was killed before its first checkpoint is in the way of the next
            subprocess.run(["rm", "-rf", *map(str, folder.iterdir())], check=True)
        process = subprocess.Popen(
            [*line, *(["--resume", str(resume.relative_to(folder))] if resume else [])], cwd=folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started = time.monotonic()
        if kills < len(moments):
            while process.poll() is None and time.monotonic() - started < moments[kills]:
                time.sleep(0.01)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
        _, error = process.communicate()
        left = newest(folder)
        if process.returncode == 0 or (left and checkpoints.read(left).step == 240):
            return kills
        assert process.returncode == -signal.SIGKILL, error
