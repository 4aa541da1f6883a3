"""What can be known to go wrong before the first step: memory, GL, folders."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import gymnasium as gym
import torch

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
    frame_bytes = _compressed_frame_bytes(config, observation_space)

    def needed(size: int) -> int:
        return buffer_bytes(
            size,
            observation_space,
            action_dim,
            n_envs=config.n_envs,
            episode_length=episode_length,
            frame_bytes=frame_bytes,
        )

    on_gpu = frame_bytes is None and (
        config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
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
    if config.uses_pixels and frame_bytes is None:
        advice += ", or --storage compressed"
    where = "on the GPU" if on_gpu else "in memory beside the trainer and its workers"
    raise UsageError(
        f"a buffer of {config.buffer_size:,} transitions needs {needed(config.buffer_size) / 1e9:.1f} GB and "
        f"{max(0, available) / 1e9:.1f} GB are available {where}: {advice}.",
        details=memory_table(per_transition),
    )


def _compressed_frame_bytes(config: TrainConfig, observation_space: gym.spaces.Dict) -> int | None:
    """Bytes claimed for each frame where frames are compressed, with their bookkeeping; else ``None``."""
    if config.storage == "raw" or not config.uses_pixels:
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


def check_renderer() -> str:
    """The GL renderer's name.

    Raises:
        UsageError: no off-screen OpenGL; the message names the package to install.
    """
    try:
        return probe_gl_renderer()[1]
    except RenderingUnavailableError as error:
        raise UsageError(str(error)) from error


def check_device(device: str) -> None:
    """Refuses a device that torch does not have.

    Raises:
        UsageError: it does not exist here.
    """
    try:
        torch.zeros(1, device="cpu" if device == "auto" else device)
    except Exception as error:  # torch raises AssertionError, RuntimeError or others, by build and device
        raise UsageError(f"--device {device} is not available here: use --device cpu or auto.") from error


def check_writable(folder: str | Path) -> None:
    """Makes a folder and proves that a file can be written there.

    Raises:
        UsageError: it cannot.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"cannot write into {folder} ({error.strerror}): choose another folder.") from error
