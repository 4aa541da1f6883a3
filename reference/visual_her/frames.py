"""Where a replay buffer keeps its frames: the interface of a store, and the plain one.

Slots of an env are numbered without end; a store holds the last ``slots`` of them. ``CompressedFrames``, the other
store, is in a module of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

from visual_her.memory import claim, upload

Array = npt.NDArray[Any]
Frame = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Storage = Literal["raw", "compressed"]


class FrameStore(Protocol):
    """Holds one uint8 frame a slot, for several envs, and gives each back bit by bit."""

    @property
    def nbytes(self) -> int:
        """Bytes claimed."""

    def write(self, env: int, slot: int, frame: Frame, *, oldest: int) -> None:
        """Stores a frame; frames of slots before ``oldest`` are no longer needed. Slots come in order.

        Raises:
            MemoryError: there is no room, and no memory for more; nothing that was stored is lost.
        """

    def holds(self, env: int, slot: int, frame: Frame) -> bool:
        """Whether ``frame`` is the one at ``slot``, as far as that is cheap to tell."""

    def gather(self, envs: Indices, slots: Indices) -> torch.Tensor:
        """The frames of slots (B, W) of envs (B,): uint8 (B, W, channels, H, W)."""

    def state_arrays(self, used: int) -> dict[str, Array]:
        """Plain arrays that ``load_state_arrays`` takes back; ``used`` slots an env have been written to."""

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Restores ``state_arrays`` of a store with as many slots.

        Raises:
            ValueError: the arrays are another kind of store's.
        """


def frame_store(
    storage: Storage, n_envs: int, slots: int, shape: tuple[int, ...], device: torch.device, frame_bytes: int | None
) -> FrameStore:
    """The store of this name, empty; ``frame_bytes`` is for a compressed one.

    Raises:
        MemoryError: it does not fit.
        ValueError: there is none of this name, or not on this device.
    """
    if storage == "raw":
        return RawFrames(n_envs, slots, shape, device)
    if storage != "compressed":
        raise ValueError(f"storage={storage!r} is unknown: choose raw or compressed.")
    if device.type != "cpu":
        raise ValueError(f"compressed frames cannot lie on {device}: leave frame_device out, or use storage='raw'.")
    from visual_her.compressed_frames import CompressedFrames, claimed_frame_bytes

    return CompressedFrames(n_envs, slots, shape, frame_bytes or claimed_frame_bytes(shape))


class RawFrames:
    """Frames as they are, in one tensor.

    Args:
        n_envs: number of envs.
        slots: frames of each env.
        shape: of a frame, (channels, H, W).
        device: where they lie.

    Raises:
        MemoryError: they do not fit.
    """

    def __init__(self, n_envs: int, slots: int, shape: tuple[int, ...], device: torch.device) -> None:
        self.n_envs, self.slots, self.shape = n_envs, slots, shape
        self._frames = claim((n_envs * slots, *shape), device)

    @property
    def nbytes(self) -> int:
        """Bytes claimed."""
        return self._frames.numel()

    def write(self, env: int, slot: int, frame: Frame, *, oldest: int) -> None:
        """Copies the frame to where the slot lies in the ring."""
        self._frames[env * self.slots + slot % self.slots].copy_(
            upload(torch.from_numpy(np.ascontiguousarray(frame)), self._frames.device)
        )

    def holds(self, env: int, slot: int, frame: Frame) -> bool:
        """Compares in host memory; frames on a GPU are taken at their word, which saves waiting for it."""
        if self._frames.device.type != "cpu":
            return True
        return bool(np.array_equal(self._frames[env * self.slots + slot % self.slots].numpy(), frame))

    def gather(self, envs: Indices, slots: Indices) -> torch.Tensor:
        """One gather, on the frames' device."""
        index = torch.from_numpy((envs[:, None] * self.slots + slots % self.slots).ravel())
        frames = self._frames.index_select(0, upload(index, self._frames.device))
        return frames.view(*slots.shape, *self.shape)

    def state_arrays(self, used: int) -> dict[str, Array]:
        """``frames``: (n_envs, used, channels, H, W)."""
        return {"frames": self._frames.view(self.n_envs, self.slots, *self.shape)[:, :used].cpu().numpy()}

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Copies ``frames`` back."""
        if "frames" not in arrays:
            raise ValueError("the stored replay buffer is compressed: resume with storage='compressed'.")
        frames = torch.from_numpy(arrays["frames"]).to(self._frames.device)
        self._frames.view(self.n_envs, self.slots, *self.shape)[:, : frames.shape[1]] = frames
