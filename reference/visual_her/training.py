"""Training: the run's folders, its log, its checkpoints, and when it stops."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from stable_baselines3.common.utils import safe_mean

from visual_her import checkpoint as checkpoints
from visual_her import preflight
from visual_her.agent import build_agent
from visual_her.checkpoint import Checkpoint
from visual_her.config import TrainConfig, tag
from visual_her.diagnosis import converged, read_curve
from visual_her.errors import UsageError
from visual_her.progress import Progress, make_logger
from visual_her.provenance import provenance
from visual_her.refusals import check
from visual_her.sac import PixelSAC
from visual_her.vec_env import make_task, make_vec_env
from visual_her.workers import WorkerError


@dataclass(frozen=True)
class RunPaths:
    """The names of a run's files, as the chapter's."""

    run_dir: Path
    checkpoints_dir: Path
    stem: str

    @classmethod
    def of(cls, config: TrainConfig) -> RunPaths:
        """The paths of ``config``."""
        name, task = tag(config), config.env.replace(":", "-").replace("/", "-")
        return cls(
            run_dir=Path(config.log_dir) / name / task / f"seed{config.seed}",
            checkpoints_dir=Path(config.checkpoints_dir),
            stem=f"{name}_{task}_seed{config.seed}",
        )

    @property
    def final(self) -> Path:
        """The checkpoint at the target total."""
        return self.checkpoints_dir / f"{self.stem}.zip"

    @property
    def progress(self) -> Path:
        """The learning curve."""
        return self.run_dir / "progress.csv"

    def at(self, step: int) -> Path:
        """The checkpoint at ``step``."""
        return self.checkpoints_dir / f"{self.stem}_{step}_steps.zip"

    def existing(self) -> list[Path]:
        """Checkpoints of this run, the newest last."""
        found = [p for p in self.checkpoints_dir.glob(f"{self.stem}_*_steps.zip") if p.stem.split("_")[-2].isdigit()]
        numbered = sorted(found, key=lambda path: int(path.stem.split("_")[-2]))
        return [*numbered, *([self.final] if self.final.exists() else [])]


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        checkpoint: the last checkpoint.
        step: env steps reached.
        finished: whether that is the target total.
        seconds: time of this session's training.
        paths: the run's files.
        agent: as it is in memory.
    """

    checkpoint: Path
    step: int
    finished: bool
    seconds: float
    paths: RunPaths
    agent: PixelSAC


def train(config: TrainConfig) -> TrainResult:
    """Trains up to the *target* total ``config.total_steps``, from the start or from ``config.resume``.

    Raises:
        UsageError: the input cannot be used; nothing was overwritten.
    """
    started = time.monotonic()
    check(config)
    paths = RunPaths.of(config)
    with preflight.alone(paths.run_dir) as claim:
        return _train_alone(config, paths, claim, started)


def _train_alone(config: TrainConfig, paths: RunPaths, claim: Callable[[], None], started: float) -> TrainResult:
    resumed = _prepare_resume(config, paths) if config.resume else None
    if resumed is None:
        _refuse_overwriting(paths)
    preflight.check_device(config.device)
    task = make_task(config.env)
    renderer = preflight.check_renderer(config) if config.uses_pixels else None
    for folder in (paths.run_dir, paths.checkpoints_dir):
        preflight.check_writable(folder)
    torch.set_flush_denormal(True)  # Adam's moments of units that are never active end as denormals, which are slow

    episode_length = (task.spec and task.spec.max_episode_steps) or 50
    env = make_vec_env(config)
    try:
        preflight.check_memory(config, env.observation_space, env.action_space.shape[0], episode_length)  # type: ignore[arg-type,index]
        try:
            agent = build_agent(config, env, task.get_wrapper_attr("compute_reward"), episode_length=episode_length)
        except MemoryError as error:
            raise UsageError(str(error)) from error
        if resumed is not None:
            _resume(agent, config, resumed)
        new_episodes(agent, config.seed)
        claim()
        agent.set_logger(make_logger(paths.run_dir, resumed.step if resumed else 0))
        return _Run(config, paths, agent, renderer, started, episode_length * config.n_envs).to_the_end()
    finally:
        env.close()
        task.close()


@dataclass
class _Run:
    """The loop around SB3's ``learn``: slices of one episode, between which everything is at rest."""

    config: TrainConfig
    paths: RunPaths
    agent: PixelSAC
    renderer: str | None
    started: float
    slice: int
    interrupted: bool = False
    written: Path | None = None

    def __post_init__(self) -> None:
        self.first_step, self.earlier = self.agent.num_timesteps, _seconds_before(self.config.resume)
        self.provenance = provenance()  # of the code that runs, whatever is committed while it does

    def to_the_end(self) -> TrainResult:
        config, agent = self.config, self.agent
        previous = {name: signal.signal(name, self._interrupt) for name in (signal.SIGINT, signal.SIGTERM)}
        callback = Progress(config, agent.num_timesteps, self.slice, lambda: not self.interrupted)
        print(self._opening_line(), flush=True)
        self._write_meta()
        try:
            while agent.num_timesteps < config.total_steps and not self._stop():
                agent.learn(self._next_stop() - agent.num_timesteps, callback, None, reset_num_timesteps=False)
                if config.checkpoint_freq and agent.num_timesteps % config.checkpoint_freq < config.n_envs:
                    self._write(self.paths.at(agent.num_timesteps))  # also at the target, as the chapter does
                    if not agent.replay_buffer.in_episode:  # type: ignore[union-attr]
                        new_episodes(agent, config.seed)  # as a run does that is resumed from here
            callback.close()
            finished = agent.num_timesteps >= config.total_steps
            self._write(self.paths.final if finished else self.paths.at(agent.num_timesteps))
        except WorkerError as error:
            self._write(self.paths.at(agent.num_timesteps))
            raise UsageError(f"{error}; then go on with --resume {self.written}.", details=error.details) from error
        except MemoryError as error:
            self._write(self.paths.at(agent.num_timesteps))
            raise UsageError(f"{error} The last checkpoint is {self.written}.") from error
        except (FloatingPointError, ValueError) as error:
            if _finite(agent):
                raise
            raise UsageError(
                f"the networks hold numbers that are not finite at env step {agent.num_timesteps}: start anew with a "
                "lower --learning-rate" + (f", or go on with --resume {self.written}." if self.written else ".")
            ) from error
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            raise UsageError(
                f"cannot write{where} at env step {agent.num_timesteps} ({error.strerror}): mend that, then go on with "
                + (f"--resume {self.written}." if self.written else "a new run, there is no checkpoint yet.")
            ) from error
        finally:
            callback.bar.close()
            for name, handler in previous.items():
                signal.signal(name, handler)
        assert self.written is not None
        seconds = time.monotonic() - self.started
        return TrainResult(self.written, agent.num_timesteps, finished, seconds, self.paths, agent)

    def _next_stop(self) -> int:
        """The end of this slice, or the next checkpoint, or the target, whichever comes first."""
        step, frequency = self.agent.num_timesteps, self.config.checkpoint_freq
        stops = [(step // self.slice + 1) * self.slice, self.config.total_steps]
        if frequency:
            stops.append((step // frequency + 1) * frequency)
        return min(stops)

    def _stop(self) -> bool:
        budget = self.config.time_budget
        if self.interrupted or (budget is not None and time.monotonic() - self.started > budget * 60):
            return True
        return self.config.stop_when_converged and converged(read_curve(self.paths.run_dir, self.config))

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:  # a second Ctrl-C does not wait for the checkpoint
            raise KeyboardInterrupt
        self.interrupted = True
        print("\ninterrupted: writing a checkpoint", file=sys.stderr, flush=True)

    def _write(self, path: Path) -> None:
        if not _finite(self.agent):
            raise FloatingPointError("not to be written over a checkpoint that can be used")
        if path == self.paths.final:
            _keep_old_final(path, self.paths)
        replay = checkpoints.save(self.agent, self.config, path, with_buffer=self.config.checkpoint_buffer)
        previous, self.written = self.written, path
        self._write_meta(path)
        resumed_from = Path(self.config.resume) if self.config.resume else None
        if self.config.checkpoint_buffer and replay is None:
            print(f"\nno room for the replay buffer beside {path}: a resume from it refills", file=sys.stderr)
        for older in (previous, resumed_from):  # only the newest checkpoint keeps a replay buffer
            if replay and older and older.parent.resolve() == path.parent.resolve() and older.name != path.name:
                checkpoints.replay_path(older).unlink(missing_ok=True)

    def _write_meta(self, checkpoint: Path | None = None) -> None:
        """Beside a checkpoint, and in the log's folder, where ``visual-her diagnose`` finds it."""
        config, agent, seconds = self.config, self.agent, time.monotonic() - self.started
        meta = {
            **self.provenance,
            "config_tag": tag(config),
            "env_id": config.env,
            "seed": config.seed,
            "device": str(agent.device),
            "gl_renderer": self.renderer,
            "step": agent.num_timesteps,
            "total_steps": config.total_steps,
            "updates": agent._n_updates,
            "resumed_from": config.resume,
            "training_time_sec": round(self.earlier + seconds, 1),
            "steps_per_sec": round((agent.num_timesteps - self.first_step) / seconds, 1),
            "rollout_success_rate": safe_mean(agent.ep_success_buffer) if agent.ep_success_buffer else None,
            "config": config.to_json(),
            "checkpoint": checkpoint and checkpoint.name,
        }
        beside = [checkpoint.with_suffix(".meta.json")] if checkpoint else []
        for file in (*beside, self.paths.run_dir / "run.meta.json"):
            file.write_text(json.dumps(meta, indent=2) + "\n")

    def _opening_line(self) -> str:
        config, agent = self.config, self.agent
        sight = f"rendered by {self.renderer}" if self.renderer else "no rendering"
        size = agent.replay_buffer.nbytes / 1e9  # type: ignore[union-attr]
        return (
            f"{tag(config)} on {config.env}, seed {config.seed}: {agent.num_timesteps:,} -> {config.total_steps:,} "
            f"env steps, device {agent.device}, {sight}, buffer {size:.1f} GB\nlog: {self.paths.run_dir}"
        )


def _seconds_before(resume: str | None) -> float:
    """Of the sessions up to the checkpoint, as far as the JSON beside it is still there."""
    meta = Path(resume).with_suffix(".meta.json") if resume else None
    return float(json.loads(meta.read_text())["training_time_sec"]) if meta and meta.exists() else 0.0


def _finite(agent: PixelSAC) -> bool:
    modules = [part for part in agent.stateful().values() if isinstance(part, torch.nn.Module)]
    return all(bool(parameter.isfinite().all()) for module in modules for parameter in module.parameters())


def new_episodes(agent: PixelSAC, seed: int) -> None:
    """Has every environment start anew, from a seed of the run's and its env steps.

    A resumed run gets new episodes, not its first ones once more, and two seeds share none. Where a checkpoint falls on
    the end of all episodes, as it does where ``--checkpoint-freq`` is a multiple of them, going on does the same, so
    that a run that was stopped there and resumed is the one that never was, bit for bit.
    """
    assert agent.env is not None
    agent.env.seed(int(np.random.SeedSequence([seed, agent.num_timesteps]).generate_state(1)[0] >> 1))
    agent._last_obs = None  # SB3 resets where there is none


def _refuse_overwriting(paths: RunPaths) -> None:
    existing = paths.existing()
    if existing:
        raise UsageError(
            f"{existing[-1]} exists and this run would overwrite it: go on with --resume {existing[-1]}, or choose "
            "another --seed or other folders."
        )
    if paths.progress.exists():
        raise UsageError(
            f"{paths.progress} exists, from a run that ended before its first checkpoint: remove {paths.run_dir}, or "
            "choose another --seed or --log-dir."
        )


def _prepare_resume(config: TrainConfig, paths: RunPaths) -> Checkpoint:
    assert config.resume is not None
    stored = checkpoints.read(config.resume)
    if tag(stored.config) != tag(config) or (stored.config.env, stored.config.seed) != (config.env, config.seed):
        theirs, ours = (f"{tag(one)}, {one.env}, seed {one.seed}" for one in (stored.config, config))
        raise UsageError(
            f"{config.resume} is of another configuration ({theirs}) than these flags ({ours}): "
            "use the flags of its run, or leave them out."
        )
    if config.total_steps <= stored.step:
        raise UsageError(
            f"--total-steps {config.total_steps} is the target total and {config.resume} is at {stored.step} already: "
            "use a larger one."
        )
    for path in reversed(paths.existing()):
        try:
            newer = checkpoints.read(path).step > stored.step
        except UsageError as error:
            raise UsageError(f"{path}, of the same run, cannot be read: move it away, then resume again.") from error
        if newer:
            raise UsageError(
                f"{path} is newer than {config.resume} and this run would overwrite it: resume from it, move it "
                "away, or use another --checkpoints-dir."
            )
    return stored


def _keep_old_final(final: Path, paths: RunPaths) -> None:
    """A run that was extended keeps the checkpoint at its old target under that step's name."""
    if final.exists():
        numbered = paths.at(checkpoints.read(final).step)
        for suffix in (".zip", ".meta.json"):  # the newest checkpoint keeps the replay buffer
            if final.with_suffix(suffix).exists() and not numbered.with_suffix(suffix).exists():
                os.replace(final.with_suffix(suffix), numbered.with_suffix(suffix))


def _resume(agent: PixelSAC, config: TrainConfig, stored: Checkpoint) -> None:
    checkpoints.restore(agent, stored)
    if config.checkpoint_buffer:
        checkpoints.restore_buffer(agent, stored)
    else:  # the chapter's behaviour, but the refill comes from the trained policy
        agent.updates_from = stored.step + config.learning_starts
    checkpoints.restore_random_state(agent, stored)
