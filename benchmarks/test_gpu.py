"""What a machine with a CUDA GPU and 16 cores has to reach. Without one every test here is skipped, and says so."""

from __future__ import annotations

import csv
import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from stable_baselines3.common.logger import Logger
from visual_her.diagnosis import software_renderer
from visual_her.recipes import RECIPES
from visual_her.rendering import probe_gl_renderer
from visual_her.training import train

from benchmarks.chapter_baseline import chapter_agent
from benchmarks.collection import EPISODE, collect, our_vec_env
from benchmarks.conftest import InTurn
from benchmarks.storing import fill, noise_episode
from benchmarks.table import Row, verdict
from benchmarks.updating import batch_of, our_agent, ready_to_update

DEVICE, ENVS, BATCH = "cuda", 16, 256
LOOP_STEPS = 40_000
FASTEST = {"precision": "bfloat16", "compile": True}

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: not measured here")


def test_the_renderer_is_the_gpus() -> None:
    _, renderer = probe_gl_renderer()
    assert not software_renderer(renderer), renderer


def test_16_processes_draw_without_hanging(in_turn: InTurn, table: list[Row], closing: Callable[[Any], Any]) -> None:
    env = closing(our_vec_env(ENVS))
    first = threading.Thread(target=env.reset, daemon=True)
    first.start()
    first.join(60)
    assert not first.is_alive(), f"{ENVS} processes did not open EGL within a minute: use fewer --n-envs"
    rounds = in_turn(lambda: collect(env))
    rate = ENVS * EPISODE / rounds.median()
    table.append(_row("collection, 16 envs, 84x84", f"{rate:.0f} steps/s", "≥ 2500 steps/s", met=rate >= 2_500))


def test_update_against_the_peer(in_turn: InTurn, table: list[Row]) -> None:
    ours = ready_to_update(our_agent(device=DEVICE, **FASTEST), _on_device(BATCH))
    peer = ready_to_update(chapter_agent(device=DEVICE), _on_device(BATCH))
    rounds = in_turn(lambda: _waited_for(ours, 50), peer=lambda: _waited_for(peer, 50))
    rate, ratio = 50 / rounds.median(), rounds.ratio("peer")
    table += [
        _row("updates, batch 256, bfloat16, compiled", f"{rate:.0f} a second", "≥ 500 a second", met=rate >= 500),
        _row("the same, against the peer's", f"{ratio:.2f} ({rounds.range('peer')})", "≥ 8 x", met=ratio >= 8),
    ]


def test_sampling_and_updating_never_wait_for_the_gpu() -> None:
    """Frames lie in its memory; an index goes there, nothing comes back."""
    agent = our_agent(device=DEVICE, precision="bfloat16")
    fill(agent.replay_buffer, EPISODE, [noise_episode(84)])  # type: ignore[arg-type]
    agent.num_timesteps = 1_000_000
    agent.set_logger(Logger(None, []))
    agent.update(2, BATCH)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        agent.update(5, BATCH)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_whole_loop(table: list[Row], tmp_path: Path) -> None:
    """Recipe ``fast``: collection and learning overlapped, an update for every four env steps."""
    config = dataclasses.replace(
        RECIPES["fast"][1], device=DEVICE, total_steps=LOOP_STEPS, buffer_size=LOOP_STEPS, checkpoint_freq=0,
        checkpoint_buffer=False, log_dir=str(tmp_path / "runs"), checkpoints_dir=str(tmp_path / "checkpoints"),
    )  # fmt: skip
    train(config)
    (progress,) = tmp_path.rglob("progress.csv")
    with open(progress, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["time/time_elapsed"] and row["train/n_updates"]]
    half, last = rows[len(rows) // 2], rows[-1]  # the first half holds the warm-up
    steps, seconds = (float(last[name]) - float(half[name]) for name in ("time/total_timesteps", "time/time_elapsed"))
    rate = steps / seconds
    table.append(_row("training, recipe fast, overlapped", f"{rate:.0f} steps/s", "≥ 1500 steps/s", met=rate >= 1_500))


def _row(what: str, ours: str, target: str, *, met: bool) -> Row:
    return Row(what, ours, "-", "-", target, verdict(met))


def _on_device(size: int) -> Any:
    batch = batch_of(size)
    return batch._replace(
        observations={key: value.to(DEVICE) for key, value in batch.observations.items()},
        next_observations={key: value.to(DEVICE) for key, value in batch.next_observations.items()},
        **{name: getattr(batch, name).to(DEVICE) for name in ("actions", "dones", "rewards")},
    )


def _waited_for(update: Callable[[], None], times: int) -> None:
    for _ in range(times):
        update()
    torch.cuda.synchronize()
