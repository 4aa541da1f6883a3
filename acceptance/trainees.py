"""Who is trained towards a milestone: the reference by its recipes, any other implementation by its adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from visual_her.conformance import Reference
from visual_her_spec.protocol import Capability, Implementation, TrainOptions

from acceptance.milestones import Measured, Milestone, advance, config_of, measure


class Trainee(Protocol):
    """A run on its way to a milestone."""

    def advance(self, minutes: float) -> int:
        """Trains for at most ``minutes`` where it can be interrupted; returns the env steps that are reached."""

    def measure(self) -> Measured | None:
        """The success rate at the milestone's step, or ``None`` before it."""


def trainee_of(impl: Implementation, milestone: Milestone, seed: int, run_dir: Path) -> Trainee | None:
    """``None`` where the implementation cannot be trained to the milestone."""
    if isinstance(impl, Reference):  # mutants of it, too: they patch the code that the recipes run through
        return _Recipe(milestone, seed, run_dir)
    config = config_of(milestone, seed, run_dir)
    if Capability.TRAINING not in impl.capabilities or not config.encodes_pixels or milestone.estimator != "eval":
        return None
    return _Adapter(impl, milestone, seed, run_dir / impl.name.replace(" ", "-"))


class _Recipe:
    def __init__(self, milestone: Milestone, seed: int, run_dir: Path) -> None:
        self.milestone, self.config = milestone, config_of(milestone, seed, run_dir)

    def advance(self, minutes: float) -> int:
        return advance(self.config, minutes)

    def measure(self) -> Measured | None:
        return measure(self.milestone, self.config)


class _Adapter:
    """Trains in one go: the protocol has no time budget. A finished run is not trained again."""

    def __init__(self, impl: Implementation, milestone: Milestone, seed: int, run_dir: Path) -> None:
        self.impl, self.milestone, self.seed = impl, milestone, seed
        self.folder = run_dir / milestone.recipe / f"{milestone.step}-seed{seed}"
        self.done = self.folder / "done.json"

    def advance(self, minutes: float) -> int:
        if not self.done.exists() and minutes > 0:
            config = config_of(self.milestone, self.seed, self.folder)
            options = TrainOptions(
                env_id=f"gymnasium_robotics:{config.env}",
                total_steps=config.total_steps,
                learning_starts=config.learning_starts,
                update_to_data=max(0.5, config.gradient_steps / config.n_envs),
                checkpoint_freq=config.checkpoint_freq or config.total_steps,
                seed=self.seed,
                image_size=config.image_size,
                camera=config.camera,
            )
            self.folder.mkdir(parents=True, exist_ok=True)
            run = self.impl.train(options, self.folder)
            step = max(run.checkpoints)
            self.done.write_text(json.dumps({"step": step, "checkpoint": str(run.checkpoints[step])}))
        return int(json.loads(self.done.read_text())["step"]) if self.done.exists() else 0

    def measure(self) -> Measured | None:
        if not self.done.exists():
            return None
        checkpoint = Path(json.loads(self.done.read_text())["checkpoint"])
        rate = self.impl.evaluate(checkpoint, n_episodes=self.milestone.episodes, seed=1_000_000)
        return Measured(round(rate * self.milestone.episodes), self.milestone.episodes)
