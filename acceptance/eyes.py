"""Camera and goal marker: how well a puck can be seen, before anything is learned about pushing it.

The encoder of recipe laptop is taught the puck's position on frames of FetchPush under each of these, which takes
minutes where a whole run takes hours. What is not seen here cannot be pushed; the reverse is not shown.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from visual_her.config import TrainConfig
from visual_her.privileged import Localizer, PrivilegedSAC, Sightings
from visual_her.provenance import provenance
from visual_her.recipes import recipe
from visual_her.vec_env import make_env

from acceptance import outcomes
from acceptance.shift import push

TABLE = Path(__file__).parent / "eyes.csv"
LESSON_FRAMES, TEST_FRAMES, UPDATES, BATCH = 4_000, 500, 4_000, 32
CENTRE = (1.34, 0.75)  # metres: the gripper's start
SPREAD = 0.2  # metres from it in x and in y: FetchPush puts pucks and goals up to 0.15 away; the table ends at 0.21

ARMS: dict[str, tuple[dict[str, Any], str]] = {
    "table camera, marker hidden": ({}, "1 to 3 cm"),
    "table camera, marker visible": ({"goal_marker": "visible"}, "a little worse: the marker covers the puck at times"),
    "default camera, marker hidden": ({"camera": "default"}, "1.5 to 2 times as far off: fewer pixels a centimetre"),
    "default camera, marker visible": ({"camera": "default", "goal_marker": "visible"}, "the worst"),
    "table camera, marker hidden, 42x42": ({"image_size": 42}, "as at 84x84: one lesson had been looked at, 1.3 cm"),
}


@dataclass(frozen=True)
class Outcome:
    """One lesson: a row of ``eyes.csv``; errors in centimetres on fresh frames."""

    arm: str
    seed: int
    median_cm: float
    error_95_cm: float
    within_tolerance: float
    seconds: float
    git_commit: str
    cpu: str


def play(arm: str, seed: int) -> Outcome:
    """Teaches one encoder and tests it on frames of other episodes."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    started = time.monotonic()
    config = dataclasses.replace(recipe("laptop"), seed=seed, **ARMS[arm][0])
    lesson = Sightings(LESSON_FRAMES, config.image_size, np.random.default_rng(seed))
    test = Sightings(TEST_FRAMES, config.image_size, np.random.default_rng(seed))
    scenes = _scenes(config)
    for sightings, number in ((lesson, LESSON_FRAMES), (test, TEST_FRAMES)):
        for _ in range(number):
            sightings.add(*next(scenes))
    eyes = Localizer()
    for update in range(UPDATES):
        eyes.learn(*lesson.sample(BATCH), rate=max(PrivilegedSAC.LAST_RATE, 1 - update / UPDATES))
    frames, positions = test.newest(TEST_FRAMES)
    with torch.no_grad():
        errors = 100 * (eyes(frames) - positions).norm(dim=1)
    facts = provenance()
    return Outcome(
        arm, seed, round(float(errors.median()), 3), round(float(errors.quantile(0.95)), 3),
        float((errors < 5).float().mean()), round(time.monotonic() - started, 1),
        facts["git_commit"] or "-", facts["hardware"]["cpu"],
    )  # fmt: skip


def look(seeds: Iterable[int], jobs: int, table: Path = TABLE) -> None:
    """Teaches whatever arm and seed ``table`` does not hold yet."""
    outcomes.complete(table, Outcome, play, ARMS, seeds, jobs)


def read(table: Path = TABLE) -> list[Outcome]:
    """The rows so far."""
    return outcomes.read(table, Outcome)


def rows(seen: list[Outcome]) -> list[tuple[str, ...]]:
    """A line an arm."""
    lines: list[tuple[str, ...]] = []
    for name, (_, expected) in ARMS.items():
        of_arm = sorted((one for one in seen if one.arm == name), key=lambda one: one.seed)
        if of_arm:
            each = ", ".join(f"{one.median_cm:.1f}" for one in of_arm)
            worst = ", ".join(f"{one.error_95_cm:.1f}" for one in of_arm)
            within = statistics.mean(one.within_tolerance for one in of_arm)
            lines.append((name, f"{each} cm", f"{worst} cm", f"{100 * within:.0f} %", expected))
    return lines


def _scenes(config: TrainConfig) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]]:
    """Frames, uint8 (3, H, W), with the puck's position in metres: any gripper, any puck on the table in its reach."""
    env = make_env(config)
    env.reset(seed=config.seed)  # makes the renderer, too
    env.action_space.seed(config.seed)
    rng = np.random.default_rng(config.seed)
    task: Any = env.unwrapped  # draws nothing by itself
    while True:
        observation, _ = task.reset()
        for _ in range(int(rng.integers(15))):
            observation, *_ = task.step(env.action_space.sample())
        where = observation["achieved_goal"]
        puck = np.array([*(CENTRE + rng.uniform(-SPREAD, SPREAD, 2)), where[2]])
        push(env, puck - where)
        yield env.get_wrapper_attr("frame_renderer").draw().transpose(2, 0, 1), puck
