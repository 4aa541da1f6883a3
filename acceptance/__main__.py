"""``python -m acceptance COMMAND``, from the root of a clone: the results page, and the runs that it is made from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro
from visual_her.errors import UsageError

from acceptance import ablation as fields
from acceptance import first_updates as lessons
from acceptance import gpu as minute
from acceptance import ladder as rungs
from acceptance.evidence import CURVES, collect, page

RESULTS = Path(__file__).parent / "RESULTS.md"


def results() -> int:
    """Writes acceptance/RESULTS.md from acceptance/curves."""
    RESULTS.write_text(page(CURVES))
    print(f"written: {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS.name}")
    return 0


def add(checkpoint: Annotated[Path, tyro.conf.Positional], /, *, arm: str, results_dir: Path = Path("results")) -> int:
    """Copies a run's curve, its meta JSON and its newest evaluation into acceptance/curves/ARM/seedN.

    Args:
        checkpoint: the run's last checkpoint; its folders lie where the run's flags say, from here.
        arm: a name in acceptance/arms.toml.
        results_dir: where the evaluation lies.
    """
    print(f"written: {collect(checkpoint, arm, results_dir)}")
    return 0


def ladder(*, seeds: tuple[int, ...] = (0, 1, 2), jobs: int = 1) -> int:
    """Trains what acceptance/ladder.csv does not hold yet, a minute a run, and then writes acceptance/RESULTS.md.

    Args:
        seeds: of each arm.
        jobs: runs at a time, each of which keeps more than one core busy.
    """
    rungs.climb(seeds, jobs)
    return results()


def first_updates(*, seeds: tuple[int, ...] = (0, 1, 2), jobs: int = 1) -> int:
    """Trains what acceptance/first_updates.csv does not hold yet, minutes each, and then writes acceptance/RESULTS.md.

    Args:
        seeds: of each arm.
        jobs: runs at a time, each of which keeps more than one core busy.
    """
    lessons.learn(seeds, jobs)
    return results()


def ablation(*, seeds: tuple[int, ...] = (0, 1, 2), jobs: int = 1) -> int:
    """Trains what acceptance/ablation.csv does not hold yet, ten minutes a run, and then writes acceptance/RESULTS.md.

    Args:
        seeds: of each arm.
        jobs: runs at a time, each of which keeps more than one core busy.
    """
    fields.ablate(seeds, jobs)
    return results()


def gpu(
    *,
    out: Path,
    recipe: str = "fast",
    seed: int = 200,
    minutes: float = 6.0,
    episodes: int = 400,
    device: str = "cuda",
) -> int:
    """Measures renderer and speeds, trains a recipe until its minutes are over, and evaluates it.

    Args:
        out: the folder to leave everything in.
        recipe: its name.
        seed: of the run.
        minutes: of training.
        episodes: of the evaluation.
        device: cpu, cuda, or auto.
    """
    minute.measure(out, name=recipe, seed=seed, minutes=minutes, episodes=episodes, device=device)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(
            tyro.extras.subcommand_cli_from_dict(
                {
                    "results": results,
                    "collect": add,
                    "ladder": ladder,
                    "first-updates": first_updates,
                    "ablation": ablation,
                    "gpu": gpu,
                },
                prog="python -m acceptance",
            )
        )
    except UsageError as error:
        print(f"acceptance: {error}", file=sys.stderr)
        sys.exit(2)
