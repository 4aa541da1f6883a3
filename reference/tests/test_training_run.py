"""Runs on the real tasks, as small as they can be: checkpoints, resume, signals, budgets, evaluation."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from visual_her import checkpoint as checkpoints
from visual_her.cli import run
from visual_her.evaluation import Episode, load_agent, metrics, run_episode, wilson_interval
from visual_her.sac import PixelSAC

STATE = "train --env FetchReach-v4 --full-state --batch-size 8 --net-arch 8 8 --learning-rate 3e-4 --torch-threads 1"
PIXELS = (
    "train --env FetchPush-v4 --critic-encoder --no-drq --image-size 16 --num-filters 4 --batch-size 8 --net-arch 8 8 "
    "--n-envs 2 --buffer-size 1200 --learning-starts 200 --total-steps 1200 --checkpoint-freq 600 --torch-threads 1"
)

# The real command, with a signal at the n-th vectorised step: no waiting, and the same step every time.
SIGNALLED = """
import os, signal, sys
from visual_her.cli import run
from visual_her.replay import HerFrameBuffer

name, at = sys.argv[1], int(sys.argv[2])
add, steps = HerFrameBuffer.add, 0

def add_and_signal(self, *transition):
    global steps
    steps += 1
    if steps == at and name == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    elif steps == at:
        os.killpg(0, signal.Signals[name])  # a terminal's Ctrl-C reaches the workers, too
    add(self, *transition)

HerFrameBuffer.add = add_and_signal
sys.exit(run(sys.argv[3:]))
"""


@dataclass(frozen=True)
class Run:
    """What a run has left in a folder."""

    folder: Path

    def checkpoints(self) -> dict[str, Path]:
        """Step in the name, or "final" -> checkpoint."""
        found = (self.folder / "checkpoints").glob("*.zip")
        return {path.stem.split("_")[-2] if path.stem.endswith("_steps") else "final": path for path in found}

    def replays(self) -> list[str]:
        """Which of the checkpoints have a replay buffer."""
        return sorted(step for step, path in self.checkpoints().items() if checkpoints.replay_path(path).exists())

    def meta(self, step: str) -> dict[str, Any]:
        """The meta JSON of a checkpoint."""
        return json.loads(self.checkpoints()[step].with_suffix(".meta.json").read_text())  # type: ignore[no-any-return]

    def column(self, name: str) -> list[float]:
        """A column of ``progress.csv``, without its empty cells."""
        (progress,) = self.folder.glob("runs/*/*/seed*/progress.csv")
        with open(progress, newline="") as file:
            return [float(row[name]) for row in csv.DictReader(file) if row[name]]

    def rows(self) -> list[int]:
        """The env steps of the rows of ``progress.csv``."""
        return [int(step) for step in self.column("time/total_timesteps")]


def command(line: str, folder: Path) -> str:
    """Runs a command line in ``folder``, has it succeed, and returns what it printed."""
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        assert run(shlex.split(line)) == 0
    return printed.getvalue()


def signalled(line: str, folder: Path, *, name: str, at: int) -> subprocess.CompletedProcess[str]:
    """Runs a command line in a process of its own that gets a signal at its vectorised step ``at``."""
    return subprocess.run(
        [sys.executable, "-c", SIGNALLED, name, str(at), *shlex.split(line)],
        cwd=folder,
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )


# --------------------------------------------------------------- checkpoints and the update count


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """1,200 steps of 4 envs, updates from 400 on, a checkpoint each 400."""
    folder = tmp_path_factory.mktemp("finished")
    flags = "--n-envs 4 --buffer-size 1200 --learning-starts 400 --total-steps 1200 --checkpoint-freq 400"
    command(f"{STATE} {flags}", folder)
    return Run(folder)


@pytest.fixture
def a_copy(finished: Run, tmp_path: Path) -> Run:
    """``finished``, to go on with."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    return Run(tmp_path)


def test_a_checkpoint_is_written_at_each_multiple_and_at_the_end(finished: Run) -> None:
    stem = "ch09_manip_fullState_net8-8_buf1200_k4_lr0.0003_batch8_starts400_FetchReach-v4_seed0"
    names = {f"{stem}{end}.zip" for end in ("_400_steps", "_800_steps", "_1200_steps", "")}
    assert {path.name for path in finished.checkpoints().values()} == names
    assert {finished.meta(step)["step"] for step in ("400", "800", "1200")} == {400, 800, 1200}
    assert [path.name for path in finished.folder.rglob("*.partial")] == []


def test_only_the_newest_checkpoint_keeps_a_replay_buffer(finished: Run) -> None:
    assert finished.replays() == ["final"]


def test_there_is_no_update_before_learning_starts(finished: Run) -> None:
    assert finished.meta("400")["updates"] == 0


def test_there_is_one_update_a_vectorised_step(finished: Run) -> None:
    assert finished.meta("800")["updates"] == 400 // 4
    assert finished.meta("final")["updates"] == 800 // 4


def test_updates_change_the_networks(finished: Run) -> None:
    first, last = (checkpoints.read(finished.checkpoints()[step]).weights["policy"] for step in ("400", "final"))
    for part in ("actor.mu", "critic.qf0.0", "critic_target.qf0.0"):
        assert not torch.equal(first[f"{part}.weight"], last[f"{part}.weight"]), f"{part} never moved"


def test_gradient_steps_multiply_the_updates(tmp_path: Path) -> None:
    flags = "--n-envs 2 --buffer-size 200 --learning-starts 100 --total-steps 200 --gradient-steps 3"
    command(f"{STATE} {flags}", tmp_path)
    assert Run(tmp_path).meta("final")["updates"] == 3 * 100 // 2


def test_updates_wait_for_the_first_complete_episode(tmp_path: Path) -> None:
    command(f"{STATE} --n-envs 2 --buffer-size 200 --learning-starts 0 --total-steps 200", tmp_path)
    assert Run(tmp_path).meta("final")["updates"] == 51  # from the 50th of 100 vectorised steps on


def test_meta_tells_config_versions_and_hardware(finished: Run) -> None:
    meta = finished.meta("final")
    assert meta["config"]["batch_size"] == 8
    assert meta["versions"]["torch"] == torch.__version__
    assert meta["hardware"]["cores"] >= 1
    assert {"git_commit", "gl_renderer", "created_at", "steps_per_sec"} <= set(meta)


# -------------------------------------------------------------------------------------- resume


@pytest.mark.parametrize("absolute", [False, True], ids=["relative path", "absolute path"])
def test_total_steps_is_the_target_total_on_resume(absolute: bool, a_copy: Run) -> None:
    path = a_copy.checkpoints()["final"]
    command(f"train --resume {path if absolute else path.relative_to(a_copy.folder)} --total-steps 1600", a_copy.folder)
    assert a_copy.meta("final")["step"] == 1600
    assert a_copy.meta("final")["updates"] == (1600 - 400) // 4, "updates went on at once: the buffer was restored"
    assert set(a_copy.checkpoints()) == {"400", "800", "1200", "1600", "final"}
    assert a_copy.replays() == ["final"], "the newest checkpoint, and no other, goes on with its replay buffer"


def test_a_run_that_is_extended_keeps_its_old_end_but_not_its_buffer(tmp_path: Path) -> None:
    folder = Run(tmp_path)
    flags = "--n-envs 2 --buffer-size 400 --learning-starts 100 --checkpoint-freq 0"
    command(f"{STATE} {flags} --total-steps 200", tmp_path)
    final = folder.checkpoints()["final"].relative_to(tmp_path)
    command(f"train --resume {final} --total-steps 400", tmp_path)
    steps = {name: checkpoints.read(path).step for name, path in folder.checkpoints().items()}
    assert steps == {"200": 200, "final": 400}
    assert folder.replays() == ["final"]
    (tmp_path / final).unlink()
    with contextlib.chdir(tmp_path):
        old_end = folder.checkpoints()["200"]
        assert run(["train", "--resume", str(old_end), "--total-steps", "300"]) == 2, "it went on with another's buffer"


def test_a_resume_without_buffer_neither_acts_at_random_nor_updates_too_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    sample = gym.spaces.Box.sample

    def counted(space: gym.spaces.Box, *args: Any) -> Any:
        drawn.append(sample(space, *args))
        return drawn[-1]

    monkeypatch.setattr(gym.spaces.Box, "sample", counted)
    folder = Run(tmp_path)
    flags = "--n-envs 2 --buffer-size 1000 --learning-starts 200 --checkpoint-freq 200 --no-checkpoint-buffer"
    command(f"{STATE} {flags} --total-steps 600", tmp_path)
    assert len(drawn) == 200, "the warm-up is random"
    assert folder.replays() == []
    drawn.clear()
    command(f"{STATE} {flags} --total-steps 1000 --resume {folder.checkpoints()['final']}", tmp_path)
    assert drawn == [], "a resumed run acted at random"
    updates = {step: folder.meta(step)["updates"] for step in ("600", "800", "1000")}
    assert updates == {"600": 200, "800": 200, "1000": 300}


def test_time_budget_ends_with_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    flags = "--n-envs 2 --buffer-size 200 --learning-starts 100 --total-steps 1000000 --time-budget 0.02"
    started = time.monotonic()
    printed = command(f"{STATE} {flags}", tmp_path)
    assert time.monotonic() - started < 30
    ((step, path),) = Run(tmp_path).checkpoints().items()
    assert 0 <= int(step) < 1_000_000
    assert f"--resume {path.relative_to(tmp_path)}" in printed
    command(f"train --resume {path} --total-steps {int(step) + 100} --time-budget 5", tmp_path)
    assert Run(tmp_path).meta("final")["step"] == int(step) + 100


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    ended = signalled(PIXELS, tmp_path, name="SIGINT", at=105)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    ((step, path),) = Run(tmp_path).checkpoints().items()
    assert step in ("210", "212"), "the step under way is finished, and at most one more"
    assert checkpoints.read(path).step == int(step)
    assert Run(tmp_path).replays() == [step]
    assert f"--resume {path.relative_to(tmp_path)}" in ended.stdout.splitlines()[-1]


def test_a_job_scheduler_that_signals_every_process_leaves_a_checkpoint(tmp_path: Path) -> None:
    ended = signalled(PIXELS, tmp_path, name="SIGTERM", at=105)
    assert ended.returncode == 0, ended.stderr
    assert "killed by" not in ended.stderr
    ((step, _),) = Run(tmp_path).checkpoints().items()
    assert step in ("210", "212")


AT_THE_END = """
import os, signal, sys
from visual_her import checkpoint
from visual_her.cli import run

save = checkpoint.save

def save_and_signal(*arguments, **options):
    os.kill(os.getpid(), signal.Signals[sys.argv[1]])
    return save(*arguments, **options)

checkpoint.save = save_and_signal
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_during_the_last_checkpoint_does_not_cost_it(name: str, tmp_path: Path) -> None:
    flags = "--n-envs 2 --buffer-size 200 --learning-starts 100 --total-steps 200 --checkpoint-freq 0"
    arguments = shlex.split(f"{STATE} {flags}")
    ended = subprocess.run(
        [sys.executable, "-c", AT_THE_END, name, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert set(Run(tmp_path).checkpoints()) == {"final"}


def test_a_loss_that_is_not_finite_ends_in_one_sentence_and_leaves_a_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step, updates = PixelSAC._critic_step, 0

    def explode(agent: PixelSAC, *batch: Any) -> None:
        nonlocal updates
        updates += 1
        step(agent, *batch)
        if updates > 60:
            torch.nn.init.constant_(next(agent.actor.parameters()), float("nan"))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PixelSAC, "_critic_step", explode)
    flags = "--n-envs 2 --buffer-size 400 --learning-starts 100 --total-steps 400 --checkpoint-freq 200"
    assert run(shlex.split(f"{STATE} {flags}")) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    ((step_reached, path),) = Run(tmp_path).checkpoints().items()
    assert step_reached == "200"
    assert "not finite" in error.splitlines()[-1]
    assert f"--resume {path.relative_to(tmp_path)}" in error.splitlines()[-1]
    stored = checkpoints.read(path).weights["policy"]
    assert all(bool(torch.isfinite(value).all()) for value in stored.values())


def test_a_full_disk_ends_in_one_sentence_that_names_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write, written = checkpoints._write_atomically, 0

    def until_it_is_full(path: Path, how: Any) -> None:
        nonlocal written
        written += 1
        if written > 3:  # a replay buffer and a checkpoint, and one more replay buffer
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, how)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoints, "_write_atomically", until_it_is_full)
    flags = "--n-envs 2 --buffer-size 300 --learning-starts 100 --total-steps 300 --checkpoint-freq 100"
    assert run(shlex.split(f"{STATE} {flags}")) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "No space left on device" in error.splitlines()[-1]
    assert set(Run(tmp_path).checkpoints()) == {"100"}
    assert Run(tmp_path).replays() == ["100"], (
        "a replay buffer without its checkpoint is left behind, or the old one is gone"
    )
    assert str(Run(tmp_path).checkpoints()["100"].relative_to(tmp_path)) in error.splitlines()[-1]
    assert len(list(tmp_path.rglob("*.replay.npz"))) == 1


# --------------------------------------------------------------------- SIGKILL, with real pixels


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """FetchPush from pixels, killed at step 1,040: after updates began, mid-episode, between two checkpoints."""
    folder = tmp_path_factory.mktemp("killed")
    ended = signalled(PIXELS, folder, name="SIGKILL", at=520)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    left = Run(folder)
    assert set(left.checkpoints()) == {"600"}
    assert left.rows()[-1] > 600
    return left


@pytest.fixture(scope="module")
def resumed(killed: Run) -> Run:
    """The same folder after the same command with ``--resume``."""
    command(f"{PIXELS} --resume {killed.checkpoints()['600'].relative_to(killed.folder)}", killed.folder)
    return killed


def test_a_killed_run_goes_on_to_exactly_its_target(resumed: Run) -> None:
    assert set(resumed.checkpoints()) == {"600", "1200", "final"}
    assert resumed.meta("final")["step"] == 1200
    assert resumed.replays() == ["final"]


def test_a_killed_run_neither_loses_nor_repeats_updates(resumed: Run) -> None:
    assert resumed.meta("final")["updates"] == (1200 - 200) // 2


def test_progress_of_a_killed_run_is_monotone(resumed: Run) -> None:
    assert resumed.rows() == sorted(set(resumed.rows())), "rows beyond the checkpoint are of a past that did not happen"
    assert (resumed.rows()[0], resumed.rows()[-1]) == (100, 1200)


def test_a_run_from_pixels_names_its_renderer(resumed: Run) -> None:
    assert resumed.meta("final")["gl_renderer"]


# ---------------------------------------------------------------------------------- evaluation


def test_a_run_from_pixels_logs_how_far_its_eyes_are_off(resumed: Run) -> None:
    assert all(0 < error < 50 for error in resumed.column("train/probe_error_cm"))
    assert resumed.column("train/probe_error_cm")


@pytest.fixture(scope="module")
def evaluated(resumed: Run) -> Run:
    """The killed and resumed run after two equal evaluations and one with other resets."""
    ckpt = resumed.checkpoints()["final"]
    for flags in ("", "", "--eval-seed 7"):
        command(f"eval --ckpt {ckpt} --critic-encoder --n-eval-episodes 3 {flags}", resumed.folder)
    return resumed


def results(evaluated: Run) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((evaluated.folder / "results").iterdir())]


def test_evaluations_never_overwrite_each_other(evaluated: Run) -> None:
    stem = evaluated.checkpoints()["final"].stem
    names = [path.name for path in sorted((evaluated.folder / "results").iterdir())]
    assert names == [f"{stem}_eval-2.json", f"{stem}_eval-3.json", f"{stem}_eval.json"]


def test_an_evaluation_tells_what_it_measured(evaluated: Run) -> None:
    for result in results(evaluated):
        assert set(result["metrics"]) == {
            "success_rate",
            "success_interval",
            "mean_return",
            "mean_goal_distance",
            "mean_time_to_success",
            "n_successes",
        }
        assert (result["episodes"], result["step"], result["env_id"]) == (3, 1200, "FetchPush-v4")
        assert "mean action" in result["estimator"]
        assert "_criticEnc_envs2_px16_" in result["config_tag"]
        assert 0 < result["metrics"]["mean_goal_distance"] < 1, "metres"
        assert -50 <= result["metrics"]["mean_return"] <= 0


def test_an_evaluation_is_deterministic(evaluated: Run) -> None:
    second, with_other_resets, first = (result["metrics"] for result in results(evaluated))
    assert first == second
    assert first["mean_goal_distance"] != with_other_resets["mean_goal_distance"]


def test_an_evaluation_plays_the_mean_action(finished: Run) -> None:
    agent, env = load_agent(checkpoints.read(finished.checkpoints()["final"]))
    assert run_episode(agent, env, 7) == run_episode(agent, env, 7), "the same reset was played twice in another way"


def test_an_evaluation_takes_the_threads_of_the_run(finished: Run) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        load_agent(checkpoints.read(finished.checkpoints()["final"]))[1].close()
        assert torch.get_num_threads() == 1, "--torch-threads 1 of the run is torch's own number in its evaluation"
    finally:
        torch.set_num_threads(before)


def test_compare_prints_every_evaluation(evaluated: Run) -> None:
    printed = command("compare", evaluated.folder)
    rows = [line for line in printed.splitlines() if "seed0" in line]
    assert len(rows) == 3
    for result, row in zip(results(evaluated), sorted(rows), strict=True):
        assert {"FetchPush-v4", "1,200", "3"} <= set(row.split()), row
        assert f"{result['metrics']['success_rate']:.1%} [" in row


def test_metrics_of_known_episodes() -> None:
    episodes = [
        Episode(True, -10.0, 0.01, 10, []),
        Episode(False, -30.0, 0.11, 20, []),
        Episode(False, -50.0, 0.30, None, []),
    ]
    known = metrics(episodes)
    assert (known["success_rate"], known["n_successes"]) == (1 / 3, 1)
    assert (known["mean_return"], known["mean_time_to_success"]) == (-30.0, 15.0)
    assert known["mean_goal_distance"] == pytest.approx(0.14)
    assert metrics(episodes[2:])["mean_time_to_success"] is None


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(95, 100, 0.8882, 0.9785), (50, 100, 0.4038, 0.5962), (0, 100, 0.0, 0.0370), (10, 10, 0.7225, 1.0)],
)
def test_wilson_interval_agrees_with_known_values(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)
