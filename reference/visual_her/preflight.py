"""What can be known to go wrong before the first step: memory, GL, folders."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium as gym
import torch
from filelock import FileLock, Timeout

from visual_her.config import TrainConfig
from visual_her.errors import UsageError
from visual_her.memory import available_memory, buffer_bytes
from visual_her.rendering import RenderingUnavailableError, probe_gl_renderer

# Sizes of the chapter's memory table, and its advice for each: section 9.13.
CHAPTER_BUFFER_SIZES = (500_000, 300_000, 200_000, 100_000, 50_000)
SB3_BYTES_PER_TRANSITION = 2 * 12 * 84 * 84

# What a run needs besides its buffer, measured: the trainer with torch, and a worker process with its GL context.
TRAINER_BYTES = 700_000_000
WORKER_BYTES = 350_000_000


def check_memory(config: TrainConfig, observation_space: gym.spaces.Dict, action_dim: int, episode_length: int) -> int:
    """Refuses a replay buffer that does not fit, with the memory table and the largest size that does.

    Returns:
        The buffer's bytes.

    Raises:
        UsageError: it does not fit into the memory that is available now.
    """

    def needed(size: int, storage: str = config.storage) -> int:
        return buffer_bytes(
            size,
            observation_space,
            action_dim,
            n_envs=config.n_envs,
            episode_length=episode_length,
            frame_bytes=_compressed_frame_bytes(config, observation_space) if storage == "compressed" else None,
        )

    on_gpu = config.storage == "raw" and (
        config.device.startswith("cuda") or (config.device == "auto" and torch.cuda.is_available())
    )
    available = available_memory() - TRAINER_BYTES - config.n_envs * WORKER_BYTES
    if on_gpu:
        available = int(torch.cuda.mem_get_info()[0]) - 3_000_000_000
    if needed(config.buffer_size) <= available:
        return needed(config.buffer_size)
    least = 50 * config.n_envs
    per_transition = needed(100_000) / 100_000
    largest = int(max(0, available) / per_transition) // least * least
    while largest > 0 and needed(largest) > available:
        largest -= least
    advice = f"use --buffer-size {largest} or less" if largest >= least else "free some memory"
    if config.uses_pixels and config.storage == "raw" and needed(config.buffer_size, "compressed") <= available:
        advice += ", or --storage compressed"
    where = "on the GPU" if on_gpu else "in memory beside the trainer and its workers"
    raise UsageError(
        f"a buffer of {config.buffer_size:,} transitions needs {needed(config.buffer_size) / 1e9:.1f} GB and "
        f"{max(0, available) / 1e9:.1f} GB are available {where}: {advice}.",
        details=memory_table(per_transition),
    )


def _compressed_frame_bytes(config: TrainConfig, observation_space: gym.spaces.Dict) -> int | None:
    """Bytes claimed for a compressed frame with its bookkeeping; ``None`` where no frame is stored."""
    if not config.encodes_pixels:
        return None
    from visual_her.compressed_frames import BOOKKEEPING_BYTES, claimed_frame_bytes

    shape = (3, *observation_space["pixels"].shape[1:])  # type: ignore[index]
    return claimed_frame_bytes(shape, config.camera) + BOOKKEEPING_BYTES


def memory_table(bytes_per_transition: float) -> str:
    """The chapter's buffer sizes, with SB3's memory and ours, in GB."""
    rows = [f"{'--buffer-size':>13}  {'SB3 DictReplayBuffer':>20}  {'HerFrameBuffer':>14}"]
    for size in CHAPTER_BUFFER_SIZES:
        sb3, ours = size * SB3_BYTES_PER_TRANSITION / 1e9, size * bytes_per_transition / 1e9
        rows.append(f"{size:>13,}  {sb3:>17.1f} GB  {ours:>11.1f} GB")
    return "\n".join(rows)


def check_renderer(config: TrainConfig | None = None) -> str:
    """The GL renderer's name.

    Raises:
        UsageError: no off-screen OpenGL, then the message names the package to install; or ``config``'s pictures are
            too large for it.
    """
    try:
        name = probe_gl_renderer()[1]
    except RenderingUnavailableError as error:
        raise UsageError(str(error)) from error
    size = (config.render_size or 2 * config.image_size) if config else 1
    try:
        probe_gl_renderer(size)
    except RenderingUnavailableError as error:
        raise UsageError(f"{name} cannot draw {size}x{size} pixels: lower --render-size or --image-size.") from error
    return name


def check_device(device: str) -> None:
    """Refuses a device that torch does not have.

    Raises:
        UsageError: it does not exist here.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise UsageError(f"--device {device} is none to train on: use cpu, cuda, cuda:1, mps or auto.")
    try:
        torch.zeros(1, device="cpu" if device == "auto" else device)
    except Exception as error:  # torch raises AssertionError, RuntimeError or others, by build and device
        raise UsageError(f"--device {device} is not available here: use --device cpu or auto.") from error


def check_writable(folder: str | Path) -> None:
    """Proves that a file can be written into a folder, or that the folder can be made; nothing is left behind.

    Raises:
        UsageError: it cannot.
    """
    try:
        folder = Path(folder).absolute()
        with tempfile.TemporaryFile(dir=next(path for path in (folder, *folder.parents) if path.exists())):
            pass
    except OSError as error:
        raise UsageError(f"cannot write into {folder} ({error.strerror}): choose another folder.") from error


@contextlib.contextmanager
def alone(run_dir: Path) -> Iterator[Callable[[], None]]:
    """No second process trains into ``run_dir`` meanwhile. Yields what makes the folder, if it is not there yet.

    Raises:
        UsageError: another process does.
    """
    lock = FileLock(run_dir / ".lock")

    def claim() -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise UsageError(
                f"another process is training into {run_dir}: wait for its end, or choose another --seed or --log-dir."
            ) from error

    try:
        if Path(lock.lock_file).exists():
            claim()
        yield claim
    finally:
        lock.release(force=True)
