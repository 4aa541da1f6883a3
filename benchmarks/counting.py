"""Counters that do not depend on the machine: elements that a call touches, encoder passes, renders."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import torch
from stable_baselines3 import SAC
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass
class Count:
    """A counter."""

    value: int = 0


class CountedArray(np.ndarray[Any, np.dtype[Any]]):
    """An array that counts the elements that are read from it: picked by an index, or seen by any NumPy function."""

    count: Count | None

    def __array_finalize__(self, source: Any) -> None:
        """A view counts like its base."""
        self.count = getattr(source, "count", None)

    def __getitem__(self, index: Any) -> Any:
        """Plain elements."""
        return self._seen(np.asarray(self)[index])

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Any elementwise function sees all elements."""
        return getattr(ufunc, method)(*(self._plain(value) for value in inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Any other function of NumPy does, too."""
        return function(*(self._plain(value) for value in args), **kwargs)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, CountedArray):
            return self._seen(np.asarray(value))
        return type(value)(self._plain(item) for item in value) if isinstance(value, list | tuple) else value

    def _seen(self, elements: Any) -> Any:
        if self.count is not None:
            self.count.value += int(np.size(elements))
        return elements


class _TorchElements(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the elements of everything that torch computes."""

    def __init__(self, count: Count) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = count

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, list | tuple) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.count.value += tensor.numel()
        return result


class _HostReads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what ``host_reads`` says."""

    def __init__(self, count: Count) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = count

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs it."""
        self.count.value += function.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero)
        return function(*args, **(kwargs or {}))


@contextlib.contextmanager
def host_reads() -> Iterator[Count]:
    """Counts values that leave torch for Python (``item``, ``if tensor``): for each the host waits for a GPU."""
    count = Count()
    with _HostReads(count):
        yield count


@contextlib.contextmanager
def elements_touched(buffer: Any) -> Iterator[Count]:
    """Counts what is read of a replay buffer's arrays, also of those of its parts, and what torch makes of it."""
    count = Count()
    for holder in _holders(buffer):
        for key, array in list(holder.items()):
            if type(array) is np.ndarray:
                holder[key] = array.view(CountedArray)
                holder[key].count = count
    try:
        with _TorchElements(count):
            yield count
    finally:
        for holder in _holders(buffer):
            for key, array in list(holder.items()):
                if type(array) is CountedArray:
                    holder[key] = array.view(np.ndarray)


def _holders(thing: Any, depth: int = 3) -> list[dict[str, Any]]:
    """The attribute dict of an object of ours or SB3's, and the dicts and objects in it."""
    members = thing if isinstance(thing, dict) else getattr(thing, "__dict__", None)
    module = type(thing).__module__
    if members is None or not (isinstance(thing, dict) or module.startswith(("visual_her", "stable_baselines3"))):
        return []
    below = [holder for value in members.values() for holder in _holders(value, depth - 1)] if depth else []
    return [members, *below]


@dataclass
class Passes:
    """Encoder work of an update, in multiples of one pass over the batch.

    Attributes:
        forward: passes forward.
        backward: passes backward, each twice the work of one forward.
    """

    forward: float = 0.0
    backward: float = 0.0

    @property
    def forward_equivalents(self) -> float:
        """Everything in units of a forward pass."""
        return self.forward + 2 * self.backward


@contextlib.contextmanager
def encoder_passes(agent: SAC, batch_size: int) -> Iterator[Passes]:
    """Counts images through every convolutional encoder of the agent, by hooks."""
    passes = Passes()

    def forward(module: Any, inputs: Any, output: torch.Tensor) -> None:
        passes.forward += len(output) / batch_size
        if output.requires_grad:
            output.register_hook(backward)  # type: ignore[no-untyped-call]

    def backward(gradient: torch.Tensor) -> None:
        passes.backward += len(gradient) / batch_size

    networks = (agent.actor, agent.critic, agent.critic_target)
    encoders = {network.features_extractor.cnn for network in networks}
    handles = [encoder.register_forward_hook(forward) for encoder in encoders]  # type: ignore[union-attr]
    try:
        yield passes
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class Drawn:
    """Attributes: renders: of MuJoCo; forwards: calls of ``mj_forward``."""

    renders: int = 0
    forwards: int = 0


@contextlib.contextmanager
def drawing() -> Iterator[Drawn]:
    """Counts renders and ``mj_forward`` of every MuJoCo environment of this process."""
    drawn, render, forward = Drawn(), mujoco.mjr_render, mujoco.mj_forward

    def counted_render(*args: Any) -> None:
        drawn.renders += 1
        render(*args)

    def counted_forward(*args: Any) -> None:
        drawn.forwards += 1
        forward(*args)

    mujoco.mjr_render, mujoco.mj_forward = counted_render, counted_forward
    try:
        yield drawn
    finally:
        mujoco.mjr_render, mujoco.mj_forward = render, forward
