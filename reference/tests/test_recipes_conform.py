"""No recipe whose critic trains its encoder changes the specification's verdict."""

from __future__ import annotations

import numpy as np
import pytest
from visual_her.conformance import Reference
from visual_her.recipes import RECIPES
from visual_her_spec.conformance import check_implementation
from visual_her_spec.report import Verdict

THE_SAME_AGENT = {"step2", "sight-blank"}  # as chapter and sight
END_TO_END = [
    name for name, (_, config) in RECIPES.items() if config.encodes_pixels and config.critic_encoder
]  # but for step0 and step1, which are there because their routing or encoder is another


@pytest.mark.parametrize("name", [name for name in END_TO_END if name not in {"chapter"} | THE_SAME_AGENT])
def test_a_recipe_conforms(name: str) -> None:
    """The areas that build agents and train them; ``visual-her conform --impl visual_her.conformance:SIGHT`` runs all.

    The specification's own run holds recipe chapter to all of them.
    """
    report = check_implementation(Reference(name), areas=["GRD", "ENC", "SAV", "TRN"])
    assert report.verdict is Verdict.CONFORMANT, report.terminal()


def test_the_recipe_is_what_is_held_to_it() -> None:
    """The agent of the BEL requirements is that of recipe laptop, whatever recipe the rest is held to."""
    from gymnasium import spaces

    pixels = spaces.Box(0, 255, (3, 16, 16), np.uint8)
    vectors = {key: spaces.Box(-np.inf, np.inf, (3,), np.float64) for key in ("achieved_goal", "desired_goal")}
    proprioception = spaces.Box(-np.inf, np.inf, (10,), np.float64)
    space = spaces.Dict({"pixels": pixels, "proprioception": proprioception, **vectors})
    probe = Reference("sight").make_belief_agent(
        space, spaces.Box(-1, 1, (4,), np.float32), n_envs=2, compute_reward=lambda *_: 0, episode_length=5
    )
    agent, laptop = probe.agent, RECIPES["laptop"][1]
    assert agent.target_bounds == pytest.approx((-1 / (1 - laptop.gamma), 0))
    assert agent.random_actions == laptop.random_actions
    assert agent.critic.features_extractor.standardize
    assert (agent.tau, agent.gamma, agent.near_goals) == (laptop.tau, laptop.gamma, laptop.near_goals)
    assert (agent.replay_buffer.n_steps, agent.replay_buffer.still_weight) == (laptop.n_steps, laptop.still_weight)
