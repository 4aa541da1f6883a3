"""Environments in worker processes: the same trajectories as in this process, and no way to hang."""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from visual_her.cli import run
from visual_her.config import TrainConfig
from visual_her.replay import HerFrameBuffer
from visual_her.vec_env import make_env, make_vec_env
from visual_her.workers import WorkerError, WorkerVecEnv

LOGGED = "visual_her_spec.logged_env:VisualHerSpecRun-v0"
SMALL = TrainConfig(env=LOGGED, image_size=36, render_size=36)


class Faulty(gym.Wrapper[Any, Any, Any, Any]):
    """Raises at its third step."""

    steps = 0

    def step(self, action: Any) -> Any:
        """Counts."""
        self.steps += 1
        if self.steps == 3:
            raise ValueError("the puck\nhas gone")
        return super().step(action)

    def sleep(self, seconds: float) -> None:
        """Keeps the trainer waiting."""
        time.sleep(seconds)


def faulty() -> gym.Env[Any, Any]:
    return Faulty(make_env(SMALL))


def broken() -> gym.Env[Any, Any]:
    """Cannot be made in a worker."""
    if multiprocessing.parent_process() is not None:
        raise OSError("no such arm")
    return make_env(SMALL)


@pytest.fixture
def workers() -> Iterator[WorkerVecEnv]:
    """Three environments in two processes."""
    env = WorkerVecEnv([faulty] * 3, n_workers=2)
    yield env
    env.close()


def actions(env: VecEnv, steps: int) -> Any:
    low, high = -1.0, 1.0
    shape = (steps, env.num_envs, *(env.action_space.shape or ()))
    return np.random.default_rng(0).uniform(low, high, shape).astype(np.float32)


def assert_equal(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    for key, value in left.items():
        assert value.dtype == right[key].dtype, key
        np.testing.assert_array_equal(value, right[key], key)


def without_time(info: dict[str, Any]) -> dict[str, Any]:
    """Without the wall clock of ``Monitor``."""
    if "episode" in info:
        info = {**info, "episode": {key: value for key, value in info["episode"].items() if key != "t"}}
    return info


# ------------------------------------------------------------------------------------ the same trajectories


@pytest.mark.parametrize(
    ("config", "steps", "n_workers"),
    [
        (TrainConfig(env="FetchPush-v4", n_envs=3), 120, 2),
        (TrainConfig(env="FetchPush-v4", n_envs=2, camera="table", goal_marker="hidden", image_size=42), 60, 1),
        (TrainConfig(env=LOGGED, n_envs=3, image_size=36, render_size=36), 35, 2),
        (TrainConfig(env=LOGGED, n_envs=3, image_size=36, render_size=36), 35, 3),
    ],
    ids=["push", "push-table", "logged", "logged-one-each"],
)
def test_workers_give_the_trajectories_of_this_process(config: TrainConfig, steps: int, n_workers: int) -> None:
    make = functools.partial(make_env, config)
    here, there = DummyVecEnv([make] * config.n_envs), WorkerVecEnv([make] * config.n_envs, n_workers=n_workers)
    try:
        assert here.observation_space == there.observation_space
        assert here.action_space == there.action_space
        for env in (here, there):
            env.seed(7)
        assert_equal(here.reset(), there.reset())  # type: ignore[arg-type]
        ends = 0
        for action in actions(there, steps):
            (ours, *outcome, infos), (theirs, *expected, their_infos) = there.step(action), here.step(action)
            assert_equal(ours, theirs)  # type: ignore[arg-type]
            for value, wanted in zip(outcome, expected, strict=True):
                assert value.dtype == wanted.dtype
                np.testing.assert_array_equal(value, wanted)
            for info, wanted_info in zip(infos, their_infos, strict=True):
                final, wanted_final = (
                    info.pop("terminal_observation", None),
                    wanted_info.pop("terminal_observation", None),
                )
                assert (final is None) == (wanted_final is None)
                if final is not None:
                    ends += 1
                    assert_equal(final, wanted_final)
                assert without_time(info) == without_time(wanted_info)
            assert there.reset_infos == here.reset_infos
        assert ends >= 2
    finally:
        here.close()
        there.close()


def test_environments_that_draw_run_in_workers_and_others_here() -> None:
    """And all of them do where updates run meanwhile."""
    state = TrainConfig(env="FetchReach-v4", n_envs=2, full_state=True)
    drawing = TrainConfig(env=LOGGED, n_envs=1, image_size=36, render_size=36)
    for config, kind in (
        (drawing, WorkerVecEnv), (state, DummyVecEnv),
        (dataclasses.replace(state, overlap=True), WorkerVecEnv),
    ):  # fmt: skip
        env = make_vec_env(config)
        try:
            assert isinstance(env, kind)
        finally:
            env.close()


def test_a_lost_gl_context_ends_a_run_in_one_sentence_with_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its only environment crashes in the middle of drawing, as a driver does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    line = "train --env lost_context:Lost-v0 --n-envs 1 --critic-encoder --no-drq --image-size 16 --num-filters 4 "
    line += "--batch-size 8 --net-arch 8 --buffer-size 200 --learning-starts 20 --total-steps 100 --torch-threads 1"
    assert run(line.split()) == 2
    (sentence,) = (text for text in capsys.readouterr().err.splitlines() if text.startswith("visual-her: "))
    assert "was killed by SIGSEGV" in sentence
    (left,) = tmp_path.rglob("*_steps.zip")
    assert f"--resume {left.relative_to(tmp_path)}" in sentence


# ----------------------------------------------------------------------------------------- SB3's interface


def test_a_returned_observation_never_changes(workers: WorkerVecEnv) -> None:
    first = workers.reset()
    kept = {key: value.copy() for key, value in first.items()}
    second, *_ = workers.step(actions(workers, 1)[0])
    assert isinstance(second, dict)
    second["pixels"][:] = 0
    workers.step(actions(workers, 1)[0])
    assert_equal(first, kept)


def test_questions_reach_the_environment_with_that_index(workers: WorkerVecEnv) -> None:
    workers.set_attr("number", 5, indices=[0, 2])
    workers.set_attr("number", 6, indices=1)
    assert workers.get_attr("number") == [5, 6, 5]
    assert workers.get_attr("number", indices=[1]) == [6]
    assert workers.has_attr("number")
    assert not workers.has_attr("no_such_thing")
    assert workers.env_is_wrapped(Monitor) == [True] * 3
    assert workers.env_method("has_wrapper_attr", "compute_reward", indices=[2]) == [True]


def test_a_seed_applies_to_one_reset() -> None:
    make = functools.partial(make_env, TrainConfig(env="FetchReach-v4", full_state=True))
    env = WorkerVecEnv([make] * 2, n_workers=1)
    try:
        env.seed(3)
        first, second = env.reset(), env.reset()
        env.seed(3)
        assert_equal(first, env.reset())
    finally:
        env.close()
    assert not np.array_equal(first["desired_goal"], second["desired_goal"])
    assert not np.array_equal(first["desired_goal"][0], first["desired_goal"][1])


# ------------------------------------------------------------------------------------------ when it goes wrong


def test_an_exception_is_one_sentence_with_the_workers_traceback(workers: WorkerVecEnv) -> None:
    workers.reset()
    first, second, third = actions(workers, 3)
    workers.step(first)
    workers.step(second)
    with pytest.raises(WorkerError, match="environments 0 to 1 raised ValueError: the puck has gone") as caught:
        workers.step(third)
    assert "\n" not in str(caught.value)
    assert "in step" in caught.value.details


def test_an_environment_that_cannot_be_made_is_an_error_and_leaves_no_process() -> None:
    before = set(multiprocessing.active_children())
    with pytest.raises(WorkerError, match="OSError: no such arm"):
        WorkerVecEnv([broken] * 2, n_workers=2)
    assert set(multiprocessing.active_children()) <= before


@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_was_killed_is_an_error_at_the_next_step(workers: WorkerVecEnv, victim: int) -> None:
    workers.reset()
    os.kill(workers._workers[victim].process.pid or 0, signal.SIGKILL)
    with pytest.raises(WorkerError, match="was killed by SIGKILL"):
        workers.step(actions(workers, 1)[0])


def test_a_worker_that_is_killed_while_the_trainer_waits_is_an_error_at_once(workers: WorkerVecEnv) -> None:
    workers.reset()
    pid = workers._workers[1].process.pid or 0
    timer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
    started = time.monotonic()
    timer.start()
    with pytest.raises(WorkerError, match="environments 2 to 2 was killed by SIGKILL"):
        workers.env_method("sleep", 60, indices=[2])
    assert time.monotonic() - started < 10


def test_closing_twice_or_in_the_middle_of_a_step_ends_all_processes() -> None:
    env = WorkerVecEnv([faulty] * 2, n_workers=2)
    processes = [worker.process for worker in env._workers]
    env.reset()
    env.step_async(actions(env, 1)[0])
    env.close()
    env.close()
    assert [process.exitcode for process in processes] == [0, 0]


def test_closing_after_a_death_ends_the_others() -> None:
    env = WorkerVecEnv([faulty] * 2, n_workers=2)
    processes = [worker.process for worker in env._workers]
    os.kill(processes[0].pid or 0, signal.SIGKILL)
    env.close()
    assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0]


CRASH = """
import functools, os, sys
from visual_her.config import TrainConfig
from visual_her.vec_env import make_env
from visual_her.workers import WorkerVecEnv

if __name__ == "__main__":
    config = TrainConfig(env={env!r}, image_size=36, render_size=36)
    env = WorkerVecEnv([functools.partial(make_env, config)] * 2, n_workers=2)
    env.reset()
    print(*[worker.process.pid for worker in env._workers], flush=True)
    {end}
"""


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "sys.exit(3)", "raise KeyboardInterrupt", "os.abort()"])
def test_a_trainer_that_crashes_leaves_no_process_and_no_memory(end: str, tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    before = set(shared.iterdir()) if shared.is_dir() else set()
    (tmp_path / "crash.py").write_text(CRASH.format(env=LOGGED, end=end))
    ended = subprocess.run([sys.executable, "crash.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    pids = [int(word) for word in ended.stdout.split()]
    assert len(pids) == 2, ended.stderr
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(pid) for pid in pids)
    assert {path for path in shared.iterdir() if path not in before and "pym" in path.name} == set()
    assert "leaked" not in ended.stderr


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_run_whose_worker_dies_leaves_a_checkpoint_and_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real command; the worker is killed in the middle of an episode."""
    monkeypatch.chdir(tmp_path)
    add, adds = HerFrameBuffer.add, iter(range(10**6))

    def add_and_kill(self: HerFrameBuffer, *transition: Any, **more: Any) -> None:
        if next(adds) == 15:
            victim = next(p for p in multiprocessing.active_children() if p.name.startswith("SpawnProcess"))
            os.kill(victim.pid or 0, signal.SIGKILL)
        add(self, *transition, **more)

    monkeypatch.setattr(HerFrameBuffer, "add", add_and_kill)
    command = f"train --env {LOGGED} --critic-encoder --no-drq --image-size 36 --num-filters 4 --batch-size 8"
    command += " --net-arch 8 8 --n-envs 2 --buffer-size 400 --learning-starts 100 --total-steps 200 --torch-threads 1"
    assert run(command.split()) == 2
    printed = capsys.readouterr().err
    assert printed.count("was killed by SIGKILL") == 1
    assert "Traceback" not in printed
    (checkpoint,) = (tmp_path / "checkpoints").glob("*_steps.zip")
    assert f"--resume {checkpoint.relative_to(tmp_path)}" in printed
    assert multiprocessing.active_children() == []
