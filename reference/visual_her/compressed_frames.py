"""CompressedFrames: frames at a sixth to a thirteenth of their size, bit by bit, each decoded on its own.

The camera stands still and the renderer has no noise, so most of a frame equals a fixed background. A frame is stored
as its difference from the background, channels as differences from the first one (a grey gripper changes all three
alike), packed by zstandard. The background is, pixel by pixel, the commonest value of 64 early frames; until it is
known, the first frame stands for it.

Memory. Packed frames differ in size and follow each other in a ring of bytes for each env. The rings are claimed at
construction, ``frame_bytes`` a slot. The capacity always holds: where frames turn out larger than that, an env's ring
is replaced by one that the mean frame fits, never larger than raw, with one warning; when the memory is not there,
``write`` refuses in one sentence and what is stored stays. A frame that does not shrink is kept as it is.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping

import numpy as np
import torch
import zstandard

from visual_her.frames import Array, Frame, Indices
from visual_her.memory import claim

# Share of a raw frame that is claimed for a packed one, by camera. Measured on contact-rich FetchPush at 84x84:
# 0.077 in the default camera, 0.16 in table; the rest is room for other policies and other scenes.
CLAIMED_SHARE = {"default": 0.145, "table": 0.215}

# The background is learned from 64 frames, every fifth: from each env in turn, whether there are 1, 2, 4 or 8.
LEARN_FROM, LEARN_EVERY = 64, 5
BOOKKEEPING_BYTES = 8 + 4 + 1  # of a frame: start, length, background
HEADROOM = 1.1  # of a ring that has to grow, over what the mean frame so far would need


class CompressedFrames:
    """Frames in host memory, packed without loss; a ``FrameStore``.

    Args:
        n_envs: number of envs.
        slots: frames of each env.
        shape: of a frame, (channels, H, W).
        frame_bytes: bytes to claim for a frame.

    Raises:
        MemoryError: they do not fit.
    """

    def __init__(self, n_envs: int, slots: int, shape: tuple[int, ...], frame_bytes: int) -> None:
        self.n_envs, self.slots, self.shape = n_envs, slots, shape
        self._raw = math.prod(shape)
        self._rings = [_bytes(slots * min(frame_bytes, self._raw)) for _ in range(n_envs)]
        # full(), unlike zeros(), touches every page.
        self._start = np.full((n_envs, slots), 0, np.int64)  # of a packed frame, counted without end like slots
        self._length = np.full((n_envs, slots), 0, np.int32)
        self._subtracted = np.full((n_envs, slots), 0, np.uint8)  # which background
        self._backgrounds = np.zeros((2, *shape), np.uint8)  # the first frame, and the learned one
        self._known = 0  # of them
        self._samples: list[bytes] = []  # packed frames that the background will be learned from
        self._seen = 0  # frames since the first, until it is learned
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._decompressor = zstandard.ZstdDecompressor()

    @property
    def nbytes(self) -> int:
        """Bytes claimed."""
        arrays: list[Array] = [*self._rings, self._start, self._length, self._subtracted, self._backgrounds]
        return sum(array.nbytes for array in arrays) + sum(len(packed) for packed in self._samples)

    def write(self, env: int, slot: int, frame: Frame, *, oldest: int) -> None:
        """Packs the frame and appends it to the env's ring."""
        if self._known == 0:
            self._backgrounds[0], self._known = frame, 1
        background = self._known - 1
        packed = self._pack(frame, background)
        before = (slot - 1) % self.slots
        start = int(self._start[env, before]) + int(self._length[env, before]) if slot else 0
        first = int(self._start[env, oldest % self.slots]) if oldest < slot else start
        if start + len(packed) - first > len(self._rings[env]):
            self._grow(env, first, start, frames=slot - oldest + 1, extra=len(packed))
        _put(self._rings[env], start, packed)
        at = slot % self.slots
        self._start[env, at], self._length[env, at], self._subtracted[env, at] = start, len(packed), background
        if self._known == 1:
            self._learn(packed)

    def holds(self, env: int, slot: int, frame: Frame) -> bool:
        """Unpacks and compares."""
        stored = self.gather(np.array([env]), np.array([[slot]]))[0, 0].numpy()
        return bool(np.array_equal(stored, frame))

    def gather(self, envs: Indices, slots: Indices) -> torch.Tensor:
        """Unpacks each distinct frame once."""
        frames = torch.empty((*slots.shape, *self.shape), dtype=torch.uint8)
        out = frames.numpy().reshape(-1, *self.shape)
        env, at = np.repeat(envs, slots.shape[1]), slots.ravel() % self.slots
        columns = (env, at, self._start[env, at], self._length[env, at], self._subtracted[env, at])
        unpacked: dict[tuple[int, int], int] = {}
        for row, (e, s, start, length, background) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            twin = unpacked.setdefault((e, s), row)
            if twin != row:
                out[row] = out[twin]
            else:
                self._unpack(_get(self._rings[e], start, length), background, out[row])
        return frames

    def _pack(self, frame: Frame, background: int) -> bytes:
        difference = frame - self._backgrounds[background]  # modulo 256
        difference[1:] -= difference[0]
        packed = self._compressor.compress(difference)
        return packed if len(packed) < self._raw else difference.tobytes()

    def _unpack(self, packed: Frame, background: int, out: Frame) -> None:
        plain = packed if len(packed) == self._raw else self._decompressor.decompress(packed.data)
        difference = np.frombuffer(plain, np.uint8).reshape(self.shape)
        np.add(difference, self._backgrounds[background], out=out)
        out[1:] += difference[0]

    def _learn(self, packed: bytes) -> None:
        """Takes one more frame into account; frames keep the background that they were packed with."""
        if self._seen % LEARN_EVERY == 0:
            self._samples.append(packed)
        self._seen += 1
        if len(self._samples) == LEARN_FROM:
            frames = np.empty((LEARN_FROM, *self.shape), np.uint8)
            for sample, frame in zip(self._samples, frames, strict=True):
                self._unpack(np.frombuffer(sample, np.uint8), 0, frame)
            self._backgrounds[1], self._known, self._samples = _mode(frames), 2, []

    def _grow(self, env: int, first: int, start: int, *, frames: int, extra: int) -> None:
        """A larger ring for an env whose frames ``first`` to ``start``, in bytes, leave no room for ``extra`` more."""
        needed, full = start - first + extra, self.slots * self._raw
        size = min(full, max(needed, int(HEADROOM * needed / frames * self.slots)))
        old, new = self._rings[env], _bytes(size)
        for at in range(first, start, 1 << 20):
            _put(new, at, _get(old, at, min(1 << 20, start - at)))
        self._rings[env] = new
        warnings.warn(
            f"frames of env {env} take {needed / frames:,.0f} bytes packed, more than the {len(old) / self.slots:,.0f} "
            f"that were claimed: the buffer has claimed {(size - len(old)) / 1e6:,.0f} MB more; "
            "use storage='raw' or a smaller buffer_size if that is too much.",
            RuntimeWarning,
            stacklevel=2,
        )

    def state_arrays(self, used: int) -> dict[str, Array]:
        """The rings as far as they are written to, and where in them each frame lies."""
        arrays: dict[str, Array] = {
            "packed/start": self._start[:, :used],
            "packed/length": self._length[:, :used],
            "packed/subtracted": self._subtracted[:, :used],
            "packed/backgrounds": self._backgrounds,
            "packed/known": np.array(self._known),
            "packed/sizes": np.array([len(ring) for ring in self._rings]),
        }
        ends = (self._start + self._length).max(axis=1)
        return arrays | {f"packed/ring{env}": ring[: ends[env]] for env, ring in enumerate(self._rings)}

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Takes over the stored rings with their sizes."""
        if "packed/start" not in arrays:
            raise ValueError("the stored replay buffer is not compressed: resume with storage='raw'.")
        for env, size in enumerate(arrays["packed/sizes"].tolist()):
            if len(self._rings[env]) != size:
                self._rings[env] = _bytes(size)
            stored = arrays[f"packed/ring{env}"]
            self._rings[env][: len(stored)] = stored
        used = arrays["packed/start"].shape[1]
        for name in ("start", "length", "subtracted"):
            getattr(self, f"_{name}")[:, :used] = arrays[f"packed/{name}"]
        self._backgrounds[:] = arrays["packed/backgrounds"]
        self._known, self._samples = int(arrays["packed/known"]), []


def claimed_frame_bytes(shape: tuple[int, ...], camera: str = "default") -> int:
    """Bytes to claim for a packed frame of a shape (channels, H, W)."""
    return int(CLAIMED_SHARE[camera] * math.prod(shape))


def _bytes(size: int) -> Frame:
    return claim((size,), torch.device("cpu")).numpy()


def _get(ring: Frame, start: int, length: int) -> Frame:
    at = start % len(ring)
    piece = ring[at : at + length]
    return piece if len(piece) == length else np.concatenate([piece, ring[: length - len(piece)]])


def _put(ring: Frame, start: int, packed: bytes | Frame) -> None:
    content = np.frombuffer(packed, np.uint8)
    at = start % len(ring)
    fits = min(len(content), len(ring) - at)
    ring[at : at + fits] = content[:fits]
    ring[: len(content) - fits] = content[fits:]


def _mode(frames: Frame) -> Frame:
    """The commonest value of each pixel of (N, ...): the longest run in its sorted values."""
    ordered = np.sort(frames, axis=0)
    run = np.ones(ordered.shape[1:], np.int64)
    longest = run.copy()
    mode: Frame = ordered[0].copy()
    for before, value in itertools.pairwise(ordered):
        run = np.where(before == value, run + 1, 1)
        longer = run > longest
        longest[longer], mode[longer] = run[longer], value[longer]
    return mode
