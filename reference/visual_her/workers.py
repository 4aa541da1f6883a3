"""Environments in worker processes: observations come through shared memory, everything else through pipes."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.vec_env import CloudpickleWrapper, VecEnv

from visual_her.errors import UsageError
from visual_her.stopwatch import Stopwatch

MakeEnv = Callable[[], gym.Env[Any, Any]]
Arrays = dict[str, npt.NDArray[Any]]  # one row an environment

# A terminal and a job scheduler send them to every process; the trainer writes a checkpoint, then closes its workers.
TRAINERS_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class WorkerError(UsageError):
    """A worker process died, or its environment raised; ``details`` holds the worker's traceback."""


class WorkerVecEnv(VecEnv):
    """SB3's ``VecEnv``, like ``SubprocVecEnv``, for environments with dict observations and one kind of space.

    A worker writes an observation into memory that it shares with this process, so no picture is pickled. What
    ``reset`` and ``step`` return is a copy of that memory and never changes afterwards: 0.3 MB for four stacks of four
    84x84 frames, some hundredth of the time that it takes to draw them. The memory has no name, so that nothing is
    left behind however the processes end.

    Args:
        makes: each makes one environment, also in another process.
        n_workers: processes among which they are divided; ``None`` is one a core, and no more than environments.

    Attributes:
        meanwhile: called at every step, once the workers are under way.

    Raises:
        WorkerError: as every method does when a worker dies or its environment raises. No method waits for a dead one.
    """

    def __init__(self, makes: Sequence[MakeEnv], *, n_workers: int | None = None) -> None:
        observation_space, action_space = _spaces(makes[0])
        n_envs = len(makes)
        n_workers = min(n_envs, n_workers or _cores())
        buffers = {key: _Shared.rows(n_envs, space) for key, space in observation_space.items()}
        self._rows = {key: buffer.array() for key, buffer in buffers.items()}
        self._workers: list[_Worker] = []
        self._awaited: list[_Worker] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self._home: list[tuple[_Worker, int]] = []  # environment -> its worker, its number there
        context = multiprocessing.get_context("spawn")  # GL, CUDA and forked threads do not mix
        try:
            for part in np.array_split(np.arange(n_envs), n_workers):
                envs = range(part[0], part[-1] + 1)
                worker = _Worker.start(context, makes[envs.start : envs.stop], envs, buffers)
                self._workers.append(worker)
                self._home += [(worker, number) for number in range(len(envs))]
            super().__init__(n_envs, observation_space, action_space)  # asks every environment for its render mode
            atexit.register(self.close)  # a worker ends with its pipe, and with nothing else
        except BaseException:
            self.close()
            raise

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Has every worker step its environments; a finished one is reset in the same step."""
        self._awaited = list(self._workers)
        for worker in self._workers:
            worker.send("step", actions[worker.envs.start : worker.envs.stop])

    def step_wait(self) -> tuple[Arrays, npt.NDArray[Any], npt.NDArray[Any], list[dict[str, Any]]]:
        """Observations (n_envs, ...), rewards float32 (n_envs,), dones bool (n_envs,), infos."""
        self.meanwhile()
        outcomes = [outcome for worker in self._awaited for outcome in worker.receive()]
        self._awaited = []
        rewards, dones, infos, self.reset_infos = (list(part) for part in zip(*outcomes, strict=True))
        return self._observations(), np.array(rewards, np.float32), np.array(dones, np.bool_), infos

    def reset(self) -> Arrays:
        """Starts an episode in every environment; seeds and options apply once."""
        for worker in self._workers:
            here = slice(worker.envs.start, worker.envs.stop)
            worker.send("reset", self._seeds[here], self._options[here])
        self.reset_infos = [info for worker in self._workers for info in worker.receive()]
        self._reset_seeds()
        self._reset_options()
        return self._observations()

    def close(self) -> None:
        """Ends the workers, which see their pipe closed; one that does not end is killed after five seconds."""
        atexit.unregister(self.close)
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers, self._awaited = [], []

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of each environment or of what it wraps."""
        return self._ask("get_attr", indices, attr_name)

    def has_attr(self, attr_name: str) -> bool:
        """Whether every environment has it."""
        return all(self._ask("has_attr", None, attr_name))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Sets the attribute of each environment's outermost wrapper."""
        self._ask("set_attr", indices, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Calls the method of each environment or of what it wraps."""
        return self._ask("env_method", indices, method_name, args, kwargs)

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: Any = None) -> list[bool]:
        """Whether each environment is wrapped by the class."""
        return self._ask("is_wrapped", indices, wrapper_class)

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """What each environment's own ``render()`` returns."""
        return self.env_method("render")

    def phases(self) -> dict[str, float]:
        """Seconds of ``simulate`` and ``render`` so far, of the mean worker."""
        for worker in self._workers:
            worker.send("phases")
        answers = [worker.receive() for worker in self._workers]
        return {phase: sum(answer[phase] for answer in answers) / len(answers) for phase in answers[0]}

    def _ask(self, question: str, indices: Any, *args: Any) -> list[Any]:
        answers = []
        for index in self._get_indices(indices):
            worker, number = self._home[index]
            worker.send(question, number, *args)
            answers.append(worker.receive())
        return answers

    def _observations(self) -> Arrays:
        return {key: rows.copy() for key, rows in self._rows.items()}


@dataclass(frozen=True)
class _Shared:
    """An array of shared memory, on its way to another process.

    ``RawArray`` maps a file that is unlinked at once; ``multiprocessing.shared_memory`` has a name that a crash leaves.
    """

    memory: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def rows(cls, count: int, space: spaces.Space[Any]) -> _Shared:
        shape, dtype = (count, *(space.shape or ())), np.dtype(space.dtype)
        size = int(np.prod(shape)) * dtype.itemsize
        return cls(multiprocessing.get_context("spawn").RawArray(ctypes.c_uint8, size), shape, dtype)

    def array(self) -> npt.NDArray[Any]:
        return np.frombuffer(self.memory, self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class _Worker:
    """A worker process as seen from the trainer."""

    envs: range
    process: BaseProcess
    connection: Connection

    @classmethod
    def start(cls, context: Any, makes: Sequence[MakeEnv], envs: range, buffers: dict[str, _Shared]) -> _Worker:
        connection, theirs = context.Pipe()
        args = (theirs, CloudpickleWrapper(makes), envs, buffers)
        process = context.Process(target=_work, args=args, daemon=True)
        blocked = signal.pthread_sigmask(
            signal.SIG_BLOCK, TRAINERS_SIGNALS
        )  # it inherits this, until it can ignore them
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()  # or the death of the worker would not be the end of the pipe
        return cls(envs, process, connection)

    def send(self, question: str, *args: Any) -> None:
        try:
            self.connection.send((question, args))
        except OSError as error:
            raise self._death() from error

    def receive(self) -> Any:
        try:
            failure, answer = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        if failure is not None:
            raise failure
        return answer

    def _death(self) -> WorkerError:
        self.process.join(5)  # the pipe ends a moment before the process
        code = self.process.exitcode
        how = f"ended with exit code {code}: its error is above, and a script needs if __name__ == '__main__'"
        if code and code < 0:
            how = f"was killed by {signal.Signals(-code).name}: free memory or lower --n-envs"
        return WorkerError(f"the worker process of environments {self.envs.start} to {self.envs.stop - 1} {how}")


def _spaces(make: MakeEnv) -> tuple[spaces.Dict, spaces.Space[Any]]:
    env = make()
    try:
        if not isinstance(env.observation_space, spaces.Dict):
            raise UsageError(f"{env} has no dict observation: use SB3's SubprocVecEnv for it.")
        return env.observation_space, env.action_space
    finally:
        env.close()


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


# ------------------------------------------------------------------------------------------- in the worker


def _work(connection: Connection, makes: CloudpickleWrapper, envs: range, buffers: dict[str, _Shared]) -> None:
    """Answers until the pipe ends."""
    for number in TRAINERS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    os.environ.setdefault("LP_NUM_THREADS", "1")  # the software renderer: one thread a worker
    with contextlib.suppress(EOFError, OSError):  # the trainer has gone
        try:
            desk = _Desk(makes.var, {key: buffer.array()[envs.start : envs.stop] for key, buffer in buffers.items()})
        except Exception as error:
            connection.recv()
            connection.send((_failure(envs, error), None))
            return
        with contextlib.closing(desk):
            while True:
                question, args = connection.recv()
                reply: tuple[WorkerError | None, Any]
                try:
                    reply = (None, getattr(desk, question)(*args))
                except Exception as error:
                    reply = (_failure(envs, error), None)
                connection.send(reply)


class _Desk:
    """The environments of one worker, and a method for each question. ``rows`` are their part of the memory."""

    def __init__(self, makes: Sequence[MakeEnv], rows: Arrays) -> None:
        self.rows = rows
        self.envs = [make() for make in makes]
        self.stopwatch = Stopwatch()
        for env in self.envs:
            self.stopwatch.watch(env)
        self.reset_infos: list[dict[str, Any]] = [{} for _ in self.envs]

    def reset(self, seeds: list[int | None], options: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for number, (seed, option) in enumerate(zip(seeds, options, strict=True)):
            self._reset(number, seed=seed, **({"options": option} if option else {}))
        return self.reset_infos

    def step(self, actions: npt.NDArray[Any]) -> list[tuple[float, bool, dict[str, Any], dict[str, Any]]]:
        return [self._step(number, action) for number, action in enumerate(actions)]

    def phases(self) -> dict[str, float]:
        return {phase: self.stopwatch.seconds[phase] for phase in ("simulate", "render")}

    def get_attr(self, number: int, name: str) -> Any:
        return self.envs[number].get_wrapper_attr(name)

    def has_attr(self, number: int, name: str) -> bool:
        return bool(self.envs[number].has_wrapper_attr(name))

    def set_attr(self, number: int, name: str, value: Any) -> None:
        setattr(self.envs[number], name, value)

    def env_method(self, number: int, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.envs[number].get_wrapper_attr(name)(*args, **kwargs)

    def is_wrapped(self, number: int, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]]) -> bool:
        return is_wrapped(self.envs[number], wrapper_class)

    def close(self) -> None:
        for env in self.envs:
            env.close()

    def _step(self, number: int, action: npt.NDArray[Any]) -> tuple[float, bool, dict[str, Any], dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.envs[number].step(action)
        done = terminated or truncated
        info["TimeLimit.truncated"] = truncated and not terminated
        if done:
            info["terminal_observation"] = observation
            self._reset(number)
        else:
            self._show(number, observation)
        return float(reward), done, info, self.reset_infos[number]

    def _reset(self, number: int, **how: Any) -> None:
        observation, self.reset_infos[number] = self.envs[number].reset(**how)
        self._show(number, observation)

    def _show(self, number: int, observation: Arrays) -> None:
        for key, rows in self.rows.items():
            rows[number] = observation[key]


def _failure(envs: range, error: Exception) -> WorkerError:
    what = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
    return WorkerError(
        f"the worker process of environments {envs.start} to {envs.stop - 1} raised {what}: mend the environment",
        details=traceback.format_exc(),
    )
