"""No false alarms, and the right alarm: what the specification says of stock Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import pytest
from visual_her.conformance import Reference
from visual_her_spec.conformance import check_implementation
from visual_her_spec.protocol import Capability, Implementation
from visual_her_spec.report import Verdict

from alternatives import drqv2_shaped, from_scratch, stock_sb3


@pytest.mark.parametrize(
    ("implementation", "not_claimed"),
    [
        (from_scratch.IMPLEMENTATION, "mujoco-camera"),
        (drqv2_shaped.IMPLEMENTATION, "target-encoder"),
        (stock_sb3.SEPARATE, "critic-encoder"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_right_implementation_conforms_to_the_core(implementation: Implementation, not_claimed: str) -> None:
    report = check_implementation(implementation, profile="core")
    assert report.verdict is Verdict.CONFORMANT, report.terminal()
    assert not_claimed in report.headline(), "what is not claimed is said by name"


class ClippedTargets(Reference):
    """HER's own choice (Andrychowicz et al. 2017, appendix A): no return of rewards of -1 and 0 is out of these."""

    capabilities = frozenset({Capability.CRITIC_ENCODER, Capability.TARGET_ENCODER})  # whole runs are not clipped

    def make_agent(self, *arguments: Any, **options: Any) -> Any:
        """With bounds."""
        probe = super().make_agent(*arguments, **options)
        probe.agent.target_bounds = (-1 / (1 - self.gamma), 0.0)
        return probe


def test_clipped_td_targets_are_no_fault() -> None:
    report = check_implementation(ClippedTargets(), areas=["TRN"])
    assert report.verdict is Verdict.CONFORMANT, report.terminal()


def test_an_implementation_without_sb3_learns_from_pixels() -> None:
    report = check_implementation(from_scratch.IMPLEMENTATION, areas=["LRN"])
    assert report.verdict is Verdict.CONFORMANT, report.terminal()


def test_stock_sac_with_a_shared_extractor_fails_because_the_actor_trains_the_encoder() -> None:
    report = check_implementation(stock_sb3.SHARED, profile="core", areas=["GRD"])
    assert report.exit_code == 1
    messages = {failure.id: failure.message for failure in report.failures}
    assert "GRD-008" in messages
    assert "the actor's loss changed encoder" in messages["GRD-008"]
    assert "detach" in messages["GRD-008"]
