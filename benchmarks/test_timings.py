"""The reference alone, a few seconds each: what ``python -m benchmarks compare BASE`` times in two versions of it."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from visual_her.replay import HerFrameBuffer

from benchmarks.collection import collect, our_vec_env
from benchmarks.storing import Episode, fill, noise_episode, our_buffer
from benchmarks.updating import batch_of, our_agent, ready_to_update

ROUNDS = 5


@pytest.mark.parametrize("render_size", [None, 84], ids=["default", "fastest"])
def test_collection(benchmark: Any, closing: Callable[[Any], Any], render_size: int | None) -> None:
    env = closing(our_vec_env(4, render_size=render_size))
    env.reset()
    benchmark.pedantic(collect, (env,), rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.parametrize("storage", ["raw", "compressed"])
def test_sample(benchmark: Any, storage: str) -> None:
    known = "storage" in inspect.signature(HerFrameBuffer).parameters
    if storage != "raw" and not known:
        pytest.skip("this version has no compressed storage")
    choices: dict[str, Any] = {"storage": storage} if known else {}
    buffer = our_buffer(10_000, image_size=84, **choices)
    fill(buffer, 10_000, [_mostly_still(noise_episode(84))])
    benchmark.pedantic(buffer.sample, (256,), rounds=4 * ROUNDS, warmup_rounds=2)


def test_update(benchmark: Any) -> None:
    benchmark.pedantic(ready_to_update(our_agent(), batch_of(64)), rounds=ROUNDS, warmup_rounds=1)


def test_help(benchmark: Any) -> None:
    command = [sys.executable, "-m", "visual_her", "--help"]
    benchmark.pedantic(
        subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=ROUNDS, warmup_rounds=1
    )


def _mostly_still(episode: Episode) -> Episode:
    """Frames that change in a patch only, as a camera's do."""
    for observation in episode.observations:
        patch = observation["pixels"][:, 40:60, 40:60].copy()
        observation["pixels"] = observation["pixels"] * 0
        observation["pixels"][:, 40:60, 40:60] = patch
    return episode
