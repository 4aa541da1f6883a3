"""Checkpoints: written whole or not at all, and read without running any code from them.

A checkpoint is a zip of ``checkpoint.json`` (config, counters, random states) and ``weights.pt`` (networks and
optimizers, read with ``weights_only``). The replay buffer lies beside it in ``….replay.npz``, plain arrays, so that
the checkpoint itself stays small enough to copy; only the newest checkpoint of a run keeps one.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from visual_her.config import TrainConfig
from visual_her.errors import UsageError
from visual_her.refusals import check
from visual_her.replay import HerFrameBuffer
from visual_her.sac import PixelSAC

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and found whole.

    Attributes:
        path: where it lies.
        config: the run's configuration.
        step: env steps at which it was written.
        state: everything else of ``checkpoint.json``.
        weights: state dicts of ``policy``, the optimizers and, where learned, the temperature.
    """

    path: Path
    config: TrainConfig
    step: int
    state: dict[str, Any]
    weights: dict[str, Any]


def save(agent: PixelSAC, config: TrainConfig, path: Path, *, with_buffer: bool) -> Path | None:
    """Writes ``path`` atomically, its replay buffer first.

    Args:
        agent: the agent to save.
        config: its configuration.
        path: the checkpoint's final name.
        with_buffer: whether to write the replay buffer beside it, if the disk has room for it.

    Returns:
        The replay buffer's path, or ``None`` if it was not written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    agent.wait()
    buffer: HerFrameBuffer = agent.replay_buffer  # type: ignore[assignment]
    room = buffer.nbytes * 1.05 < shutil.disk_usage(path.parent).free
    replay = replay_path(path) if with_buffer and room else None
    if replay is not None:
        _write_atomically(replay, lambda file: np.savez(file, **buffer.state_arrays()))  # type: ignore[arg-type]
    state = {
        "format": FORMAT,
        "config": config.to_json(),
        "step": agent.num_timesteps,
        "updates": agent._n_updates,
        "episodes": agent._episode_num,
        "replay": replay.name if replay else None,
        "buffer_rng": buffer.rng.bit_generator.state,
        "action_rng": agent.action_space.np_random.bit_generator.state,
    }
    weights = {name: module.state_dict() for name, module in agent.stateful().items()}
    weights["torch_rng"] = torch.get_rng_state()
    if buffer._shift is not None:
        weights["shift_rng"] = buffer._shift.generator.get_state()
    if agent.log_ent_coef is not None:
        weights["log_ent_coef"] = agent.log_ent_coef.detach()

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("checkpoint.json", json.dumps(state))
            tensors = io.BytesIO()
            torch.save(weights, tensors)
            archive.writestr("weights.pt", tensors.getvalue())

    try:
        _write_atomically(path, write)
    except OSError:
        if replay is not None and not path.exists():
            replay.unlink()  # of no use without its checkpoint
        raise
    return replay


def read(path: str | Path) -> Checkpoint:
    """Reads and checks a checkpoint.

    Raises:
        UsageError: it is missing, damaged, or was written by something else.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"there is no checkpoint {path}: give the path of a .zip that visual-her train wrote.")
    try:
        with zipfile.ZipFile(path) as archive:
            if "checkpoint.json" not in archive.namelist():
                raise UsageError(f"{path} is no checkpoint of visual-her: give a .zip that visual-her train wrote.")
            state = json.loads(archive.read("checkpoint.json"))
            if not isinstance(state, dict) or state.get("format") != FORMAT:
                raise UsageError(f"{path} has another checkpoint format than {FORMAT}: use the version that wrote it.")
            weights = torch.load(io.BytesIO(archive.read("weights.pt")), map_location="cpu", weights_only=True)
        config = TrainConfig.from_json(state["config"])
        check(config)
        if min(state["step"], state["updates"], state["episodes"]) < 0 or not {"policy", "torch_rng"} <= set(weights):
            raise ValueError("counters or weights are missing")
        for generator in ("buffer_rng", "action_rng"):
            np.random.PCG64().state = state[generator]
        return Checkpoint(path, config, int(state["step"]), state, weights)
    except UsageError:
        raise
    except Exception as error:  # zipfile, json, pickle and torch each have several ways to reject a file
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UsageError(f"{path} is truncated or damaged ({reason}): use another checkpoint.") from error


def restore(agent: PixelSAC, checkpoint: Checkpoint) -> None:
    """Fills an agent that was built from the checkpoint's config; the routing is the agent's own and stays.

    Raises:
        UsageError: the weights are of another architecture.
    """
    try:
        for name, module in agent.stateful().items():
            module.load_state_dict(checkpoint.weights[name])
        if agent.log_ent_coef is not None:
            with torch.no_grad():
                agent.log_ent_coef.copy_(checkpoint.weights["log_ent_coef"])
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the weights in {checkpoint.path} are of another architecture than its config: use another checkpoint."
        ) from error
    agent.num_timesteps = checkpoint.step
    agent._n_updates = int(checkpoint.state["updates"])
    agent._episode_num = int(checkpoint.state["episodes"])


def restore_random_state(agent: PixelSAC, checkpoint: Checkpoint) -> None:
    """Continues the streams of exploration, replay and network noise where the checkpoint left them."""
    torch.set_rng_state(checkpoint.weights["torch_rng"])
    agent.action_space.np_random.bit_generator.state = checkpoint.state["action_rng"]
    buffer: HerFrameBuffer = agent.replay_buffer  # type: ignore[assignment]
    buffer.rng.bit_generator.state = checkpoint.state["buffer_rng"]
    if buffer._shift is not None and "shift_rng" in checkpoint.weights:
        buffer._shift.generator.set_state(checkpoint.weights["shift_rng"])


def restore_buffer(agent: PixelSAC, checkpoint: Checkpoint) -> None:
    """Fills the agent's replay buffer from the file beside the checkpoint.

    Raises:
        UsageError: the file is missing or damaged, or the checkpoint was written without one.
    """
    advice = "restore it, resume from the newest checkpoint, or pass --no-checkpoint-buffer to refill from the policy"
    if checkpoint.state["replay"] is None:
        raise UsageError(f"{checkpoint.path} was written without its replay buffer: {advice}.")
    path = replay_path(checkpoint.path)
    if not path.is_file():
        raise UsageError(f"the replay buffer {path} is missing: {advice}.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            agent.replay_buffer.load_state_arrays(arrays)  # type: ignore[union-attr]
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UsageError(f"the replay buffer {path} cannot be read ({reason}): {advice}.") from error


def replay_path(checkpoint: Path) -> Path:
    """Where the replay buffer of a checkpoint lies."""
    return checkpoint.with_suffix(".replay.npz")


def _write_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """A reader sees the old file or the whole new one, also after a crash or SIGKILL in the middle."""
    temporary = path.with_name(path.name + ".partial")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
