"""LRN: learning where nothing but sight, trained by reward through hindsight, can succeed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest

from visual_her_spec.catalogue import requirement
from visual_her_spec.protocol import Capability, Implementation, LearnOptions
from visual_her_spec.sight_env import SightEnv

Observation = dict[str, npt.NDArray[Any]]

SIGHT = LearnOptions(total_steps=2_800, seed=1, goal_mode="desired", image_size=16)
EPISODES = 100
SUCCESS = 0.90
MARGIN = 0.30

BLANK = "blank pixels"
FROZEN = "a frozen random encoder"
WITHOUT_HER = "HER switched off"
ARMS = {
    "sight": SIGHT,
    BLANK: SIGHT,
    FROZEN: replace(SIGHT, train_encoder=False),
    WITHOUT_HER: replace(SIGHT, hindsight=False),
}

SuccessRate = Callable[[str], float]


class BlankPixels(gym.ObservationWrapper[Observation, Any, Observation]):
    """The same observation with every pixel at 0."""

    def observation(self, observation: Observation) -> Observation:
        """Keeps shape and dtype."""
        return {**observation, "pixels": np.zeros_like(observation["pixels"])}


@pytest.fixture(scope="module")
def rates() -> dict[str, float]:
    """Arm -> its success rate: each arm is trained once."""
    return {}


@pytest.fixture
def success_rate(impl: Implementation, rates: dict[str, float], request: pytest.FixtureRequest) -> SuccessRate:
    """The success rate of an arm; a new figure is printed at the end."""

    def of(arm: str) -> float:
        if arm not in rates:
            rates[arm] = train_and_evaluate(impl, ARMS[arm], blank=arm == BLANK)
            figure = f"learning with {arm}: {rates[arm]:.0%} of {EPISODES} episodes"
            request.node.user_properties.append(("figure", figure))
        return rates[arm]

    return of


def train_and_evaluate(impl: Implementation, options: LearnOptions, *, blank: bool) -> float:
    """The rate of evaluation episodes that end at their goal."""

    def make_env() -> gym.Env[Any, Any]:
        task = gym.wrappers.TimeLimit(SightEnv(options.image_size), SightEnv.EPISODE_LENGTH)
        env = impl.make_env(task, goal_mode="both", frame_stack=1, image_size=options.image_size)
        return BlankPixels(env) if blank else env

    policy = impl.learn(make_env, options)
    env = make_env()
    successes = 0
    for episode in range(EPISODES):
        observation, info = env.reset(seed=10_000 + episode)
        over = False
        while not over:
            observation, _, terminated, truncated, info = env.step(policy(observation))
            over = terminated or truncated
        successes += bool(info["is_success"])
    return successes / EPISODES


@requirement(
    "LRN-001",
    "Training with goal_mode='desired' on SightEnv, whose object is nowhere but in the pixels, MUST reach 90 % success "
    "within 2,800 env steps.",
    reason="parts that are right one by one can still fail together, and on the real task that takes days to see",
    source="chapter section 9.6: a wrongly wired encoder looks like patience",
    capability=Capability.LEARNING,
)
def test_learning_from_pixels_alone_succeeds(success_rate: SuccessRate) -> None:
    rate = success_rate("sight")
    assert rate >= SUCCESS, (
        f"the policy reaches {rate:.0%} of its goals from pixels, not {SUCCESS:.0%}: if GRD, HER and TRN pass, look at "
        "the loop that joins their steps, and at what learn makes of its options"
    )


@requirement(
    "LRN-002",
    "With blank pixels the same training MUST stay at least 30 points below.",
    reason="a policy that sees achieved_goal, or a position through another input, succeeds 'from pixels' while blind",
    source="chapter section 9.3, whose goal_mode='both' shows the puck's position to the policy",
    capability=Capability.LEARNING,
)
def test_blank_pixels_prevent_learning(success_rate: SuccessRate) -> None:
    blank, sight = success_rate(BLANK), success_rate("sight")
    assert sight - blank >= MARGIN, (
        f"with blank pixels success is {blank:.0%}, with sight {sight:.0%}: keep achieved_goal and any other trace of "
        "the object's position from the networks under goal_mode='desired'"
    )


@requirement(
    "LRN-003",
    "With an encoder that is never trained the same training MUST stay at least 30 points below.",
    reason="a task that random features solve does not show that the critic's loss trains the encoder",
    source="DrQ-v2, arXiv:2107.09645, section 3: the encoder learns from the critic's loss only",
    capability=Capability.LEARNING,
)
def test_a_frozen_random_encoder_prevents_learning(success_rate: SuccessRate) -> None:
    frozen, sight = success_rate(FROZEN), success_rate("sight")
    assert sight - frozen >= MARGIN, (
        f"with a frozen random encoder success is {frozen:.0%}, with a trained one {sight:.0%}: either it is trained "
        "under train_encoder=False, too, or it never is"
    )


@requirement(
    "LRN-004",
    "With HER switched off the same training MUST stay at least 30 points below.",
    reason="a reward that is dense, or a goal that is met by chance, makes relabelling look as if it worked",
    source="Andrychowicz et al. 2017, arXiv:1707.01495, section 4.2: without HER sparse rewards are not learned from",
    capability=Capability.LEARNING,
)
def test_learning_needs_hindsight(success_rate: SuccessRate) -> None:
    without, sight = success_rate(WITHOUT_HER), success_rate("sight")
    assert sight - without >= MARGIN, (
        f"without HER success is {without:.0%}, with it {sight:.0%}: either goals are relabelled under hindsight=False "
        "as well, or they never are"
    )
