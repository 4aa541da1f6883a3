"""How cost grows: collection with envs, sampling with what is stored, an update with its batch, memory with size."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot
from stable_baselines3.common.vec_env import VecEnv
from visual_her.compressed_frames import BOOKKEEPING_BYTES, claimed_frame_bytes
from visual_her.memory import buffer_bytes

from benchmarks.chapter_baseline import chapter_agent, chapter_buffer, chapter_vec_env, observation_space
from benchmarks.collection import ACTIONS, EPISODE, collect, our_vec_env
from benchmarks.storing import fill, noise_episode, our_buffer
from benchmarks.table import conditions, load_average
from benchmarks.updating import batch_of, our_agent, ready_to_update

ROUNDS = 5
SMALL = 21  # pixels: both buffers hold 100 k transitions in 1.2 GB


@dataclass(frozen=True)
class Growth:
    """One plot: ours and the peer over one quantity.

    Attributes:
        title: of the plot.
        over: what grows.
        unit: of the figures.
        sizes: of what grows.
        lines: figures by name, one a size.
    """

    title: str
    over: str
    unit: str
    sizes: Sequence[int]
    lines: dict[str, list[float]]


def write(folder: Path) -> None:
    """Measures everything and writes ``scaling.md`` and ``scaling.png`` into ``folder``."""
    load = load_average()
    growths = [collection(), sample(), update(), memory()]
    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for axis, growth in zip(axes.flat, growths, strict=True):
        for name, figures in growth.lines.items():
            axis.plot(growth.sizes, figures, marker="o", label=name)
        axis.set(title=growth.title, xlabel=growth.over, ylabel=growth.unit, xscale="log", yscale="log")
        axis.set_xticks(growth.sizes, [f"{size:,}" for size in growth.sizes], minor=False)
        axis.set_xticks([], minor=True)
        axis.legend()
    figure.savefig(folder / "scaling.png", dpi=100)
    lines = [
        "# How cost grows",
        "",
        "Made by `python -m benchmarks scaling`; times are medians of 5 rounds, in turn.",
        "",
    ]
    lines += ["![The four tables below, as plots](scaling.png)", ""]
    for growth in growths:
        lines += [f"## {growth.title}", "", *_table(growth), ""]
    lines += [f"* {note}" for note in conditions(load)]
    (folder / "scaling.md").write_text("\n".join(lines) + "\n")


def collection() -> Growth:
    """Env steps a second against envs."""
    sizes, lines = (1, 2, 4, 6), {"ours": [], "peer": []}  # type: ignore[var-annotated]  # a worker takes 0.5 GB
    for n_envs in sizes:
        envs: list[VecEnv] = [our_vec_env(n_envs), chapter_vec_env(n_envs)]
        try:
            for env in envs:
                env.reset()
            seconds = _in_turn([lambda env=env: collect(env, EPISODE // 2) for env in envs])  # type: ignore[misc]
        finally:
            for env in envs:
                env.close()
        for line, median in zip(lines.values(), seconds, strict=True):
            line.append(n_envs * (EPISODE // 2) / median)
    return Growth("Collection, FetchPush-v4, 84x84", "environments", "env steps a second", sizes, lines)


def sample() -> Growth:
    """Milliseconds of ``sample(256)`` against stored transitions."""
    sizes, lines = (1_000, 10_000, 100_000), {"ours": [], "ours, compressed": [], "peer": []}  # type: ignore[var-annotated]
    episodes = [noise_episode(SMALL)]
    for stored in sizes:
        buffers: list[Any] = [
            our_buffer(stored, image_size=SMALL),
            our_buffer(stored, image_size=SMALL, storage="compressed", frame_bytes=3 * SMALL**2),
            chapter_buffer(stored, image_size=SMALL, n_envs=4),
        ]
        for buffer in buffers:
            fill(buffer, stored, episodes)
        seconds = _in_turn([lambda b=buffer: [b.sample(256) for _ in range(10)] for buffer in buffers])  # type: ignore[misc]
        for line, median in zip(lines.values(), seconds, strict=True):
            line.append(1000 * median / 10)
    title = f"sample(256) with HER, {SMALL}x{SMALL} noise"
    return Growth(title, "stored transitions", "milliseconds", sizes, lines)


def update() -> Growth:
    """Milliseconds of an update against its batch."""
    sizes, lines = (16, 32, 64, 128, 256), {"ours": [], "peer": []}  # type: ignore[var-annotated]
    agents = [our_agent(), chapter_agent()]
    for size in sizes:
        updates = [ready_to_update(agent, batch_of(size)) for agent in agents]
        for line, median in zip(lines.values(), _in_turn(updates), strict=True):
            line.append(1000 * median)
    return Growth("One update, chapter recipe, 84x84", "batch", "milliseconds", sizes, lines)


def memory() -> Growth:
    """Gigabytes that a buffer claims against its capacity, for both kinds of storage and the peer."""
    sizes, space = (50_000, 100_000, 200_000, 300_000, 500_000), observation_space(84)
    packed = claimed_frame_bytes((3, 84, 84), "default") + BOOKKEEPING_BYTES
    two_stacks = 2 * (84 * 84 * 12 + (10 + 3 + 3) * 8) + ACTIONS * 4 + 3 * 4 + 2 * 8
    lines = {
        "ours": [buffer_bytes(size, space, ACTIONS, n_envs=4) / 1e9 for size in sizes],
        "ours, compressed": [buffer_bytes(size, space, ACTIONS, n_envs=4, frame_bytes=packed) / 1e9 for size in sizes],
        "peer": [size * two_stacks / 1e9 for size in sizes],
    }
    return Growth("Memory of the replay buffer, 84x84", "transitions", "GB", sizes, lines)


def _in_turn(functions: Sequence[Callable[[], Any]]) -> list[float]:
    """Median seconds of each, measured round by round after one warm-up."""
    rounds = []
    for _ in range(ROUNDS + 1):
        seconds = []
        for function in functions:
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
        rounds.append(seconds)
    return [statistics.median(column) for column in zip(*rounds[1:], strict=True)]


def _table(growth: Growth) -> list[str]:
    header = [growth.over, *(f"{name} [{growth.unit}]" for name in growth.lines)]
    rows = [
        [f"{size:,}", *(_figure(figures[i]) for figures in growth.lines.values())]
        for i, size in enumerate(growth.sizes)
    ]
    return ["| " + " | ".join(row) + " |" for row in (header, ["---:"] * len(header), *rows)]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
