"""Memory: what a replay buffer takes, how much can be had, and claiming it for real."""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from pathlib import Path

import numpy as np
import psutil
import torch
from gymnasium import spaces


def upload(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on ``device``; the host never waits for a GPU."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def buffer_bytes(
    buffer_size: int,
    observation_space: spaces.Dict,
    action_dim: int,
    *,
    n_envs: int,
    episode_length: int = 50,
    frame_bytes: int | None = None,
) -> int:
    """Bytes that a ``HerFrameBuffer`` of ``buffer_size`` transitions claims; ``frame_bytes`` as in ``bytes_per_slot``.

    A compressed store takes up to 0.4 MB more, for its background.
    """
    slot = bytes_per_slot(observation_space, action_dim, frame_bytes=frame_bytes)
    return n_envs * slots_of(buffer_size, n_envs, episode_length) * slot


def bytes_per_slot(
    observation_space: spaces.Dict, action_dim: int, frame_channels: int = 3, *, frame_bytes: int | None = None
) -> int:
    """Bytes that one instant takes in a ``HerFrameBuffer`` of this space.

    Args:
        observation_space: of the buffer.
        action_dim: of the buffer.
        frame_channels: of the buffer.
        frame_bytes: what its store takes for a frame; ``None`` for a raw one.
    """
    total = action_dim * 4 + 4 + 1 + 8 + 8  # action, reward, terminated, episode start and final
    for key, space in observation_space.spaces.items():
        shape = (frame_channels, *space.shape[1:]) if key == "pixels" else space.shape  # type: ignore[index]
        plain = math.prod(shape or (1,)) * np.dtype(space.dtype).itemsize
        total += plain if key != "pixels" or frame_bytes is None else frame_bytes
    return int(total)


def slots_of(buffer_size: int, n_envs: int, episode_length: int) -> int:
    """Slots of one env: its transitions, and one final observation an episode."""
    transitions = buffer_size // n_envs
    return transitions + math.ceil(transitions / episode_length)


def keep_freed_memory() -> None:
    """Has glibc keep large blocks that were freed, for this process's life, instead of giving them back to the kernel.

    A convolution's update frees and allocates the same large blocks again, and to have the kernel map and clear them
    anew takes up to 40 % of its time. Elsewhere than on glibc nothing is done.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "gnu_get_libc_version"):
        for parameter, value in ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 1 << 26)):
            libc.mallopt(parameter, value)


_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of malloc.h


def available_memory() -> int:
    """Bytes that can still be had: the machine's, or what a container's limit leaves."""
    available = int(psutil.virtual_memory().available)
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            available = min(available, int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):
            continue  # no such cgroup, or "max"
    return available


def claim(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """A zeroed uint8 tensor whose pages are really there: lazy allocation hides a shortage until hours later.

    Raises:
        MemoryError: there is not as much; one sentence that says what to do.
    """
    needed = math.prod(shape)
    shortage = (
        f"the replay buffer needs {needed / 1e9:.1f} GB more on {device}, which are not there: lower buffer_size."
    )
    if device.type == "cpu" and needed > available_memory():  # Linux would promise it, and kill the run later
        raise MemoryError(shortage)
    try:
        if device.type == "cpu" and sys.platform != "win32":  # pages of its own, which no earlier array has left behind
            pages = mmap.mmap(-1, needed, flags=mmap.MAP_PRIVATE)
            return torch.frombuffer(pages, dtype=torch.uint8).view(shape).fill_(0)
        return torch.empty(shape, dtype=torch.uint8, device=device).fill_(0)
    except (RuntimeError, OSError) as error:  # torch reports a failed allocation as a plain RuntimeError
        raise MemoryError(shortage) from error
