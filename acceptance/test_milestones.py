"""Long runs, held to the milestones of ``milestones.toml``: ``pytest acceptance -m quick`` or ``-m nightly``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from visual_her_spec.protocol import Implementation

from acceptance.conftest import Verdict
from acceptance.milestones import Milestone
from acceptance.trainees import trainee_of


@pytest.mark.acceptance
def test_milestone(
    milestone: Milestone,
    seed: int,
    impl: Implementation,
    run_dir: Path,
    minutes_left: Callable[[], float],
    report: Callable[[Verdict], None],
) -> None:
    trainee = trainee_of(impl, milestone, seed, run_dir)
    if trainee is None:
        pytest.skip(f"{impl.name} offers no train and evaluate for recipe {milestone.recipe}")
    step = trainee.advance(minutes_left())
    measured = trainee.measure()
    wanted = "-" if milestone.bound is None else f"lower bound above {100 * milestone.bound:.0f} %"

    def note(verdict: str) -> None:
        report(Verdict(milestone.name, seed, verdict, str(measured or "-"), wanted, step))

    if measured is None:
        note("pending")
        pytest.skip(f"pending: at {step:,} of {milestone.step:,} env steps; the next session goes on")
    passed = measured.clears(milestone.bound)
    note("information" if milestone.bound is None else "passed" if passed else "failed")
    assert passed, f"{milestone.name}, seed {seed}: {measured} at {milestone.step:,} env steps, but {wanted} is wanted"
