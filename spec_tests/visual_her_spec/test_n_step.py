"""Targets of several steps: replay sums up rewards of one goal, as far as the episode goes, before it bootstraps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from visual_her_spec.batches import make_agent, random_batch, tile
from visual_her_spec.catalogue import requirement
from visual_her_spec.collector import (
    Array,
    Collector,
    Instant,
    Transition,
    assert_exact,
    assert_outcomes,
    assert_pixels,
    assert_vectors,
    draw,
    instants,
    name,
    pixel_fault,
    sampled_instants,
    telling_reward,
)
from visual_her_spec.protocol import Batch, Capability, Implementation, ReplayProbe

N_STEPS, GAMMA, LENGTHS = 3, 0.5, (2, 5, 7)
HER = "Andrychowicz et al. 2017, arXiv:1707.01495, section 4.5"
MULTI_STEP_HER = "multi-step HER: Yang et al. 2021, arXiv:2102.12962, section 4"
N_STEP_RETURN = "Yarats et al. 2021, arXiv:2107.09645, section 3.1: returns of n = 3 steps"
SB3_N_STEP = "DLR-RM/stable-baselines3, common/buffers.py, NStepReplayBuffer"


def n_step_replay(
    impl: Implementation, *, n_steps: int = N_STEPS, k: int = 4, ends: str = "truncated"
) -> tuple[Collector, ReplayProbe]:
    """Episodes of three lengths and one of each env that a reset cuts off, in a ring that has wrapped around.

    Some episodes are shorter than the window.
    """
    collector = Collector(impl, LENGTHS, ends=ends, reward=telling_reward)
    replay = impl.make_replay(
        collector.observation_space,
        collector.action_space,
        capacity=3 * max(LENGTHS) * len(LENGTHS),
        n_envs=len(LENGTHS),
        n_sampled_goal=k,
        compute_reward=telling_reward,
        episode_length=max(LENGTHS),
        seed=n_steps,
        n_steps=n_steps,
        gamma=GAMMA,
    )
    collector.step(replay, steps=61)
    for index in range(len(LENGTHS)):
        collector.cut(index)
    collector.step(replay, steps=9)
    return collector, replay


def batches(replay: ReplayProbe) -> Iterator[Batch]:
    """Some 600 transitions."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        yield replay.sample(int(rng.integers(1, min(60, replay.size()))))


def window(collector: Collector, start: Instant, n_steps: int = N_STEPS) -> list[Transition]:
    """The steps of a window that begins here: ``n_steps`` of them, or as many as the episode still has."""
    steps = [collector.transition(start)]
    while len(steps) < n_steps:
        following = collector.transitions.get((*start[:2], start[2] + len(steps)))
        if following is None:
            break
        steps.append(following)
    return steps


def named(start: Instant, steps: list[Transition]) -> str:
    """For messages."""
    return f"the transition of {len(steps)} step{'s' * (len(steps) > 1)} at {name(start)}"


@requirement(
    "HER-016",
    "The reward of a transition of several steps MUST be the discounted sum of the task's rewards for the one goal "
    "that the batch shows, on both of its sides, over the steps taken.",
    reason="rewards of several goals, or those from before the relabelling, teach a value that no goal has",
    source=MULTI_STEP_HER,
    capability=Capability.N_STEP,
)
@pytest.mark.parametrize("k", [0, 4])
@pytest.mark.parametrize("n_steps", [2, 3, 6])
def test_rewards_of_several_steps_are_of_one_goal(impl: Implementation, k: int, n_steps: int) -> None:
    collector, replay = n_step_replay(impl, n_steps=n_steps, k=k)
    for batch in batches(replay):
        goals, next_goals = batch.observations["desired_goal"], batch.next_observations["desired_goal"]
        for row, start in enumerate(sampled_instants(batch)):
            steps = window(collector, start, n_steps)
            at = named(start, steps)
            assert np.allclose(goals[row], next_goals[row]), f"{at} has two goals: relabel both of its observations"
            achieved = [step.next_observation["achieved_goal"] for step in steps]
            rewards = np.array([float(telling_reward(goal, goals[row], {})) for goal in achieved])
            stored, powers = np.array([step.reward for step in steps]), GAMMA ** np.arange(len(steps))
            expected, plain, kept = float(rewards @ powers), float(rewards.sum()), float(stored @ powers)
            found = float(np.ravel(batch.rewards)[row])
            why = "sum up the task's rewards for the goal that the batch shows, the j-th times gamma to the j"
            if np.isclose(found, plain, rtol=1e-5) and not np.isclose(plain, expected, rtol=1e-5):
                why = "discount the j-th reward by gamma to the j"
            elif np.isclose(found, kept, rtol=1e-5) and not np.isclose(kept, expected, rtol=1e-5):
                why = "it keeps the rewards of its old goal, so compute all of them after the relabelling"
            assert np.isclose(found, expected, rtol=1e-5), f"{at} has the reward {found:.7g}, not {expected:.7g}: {why}"


@requirement(
    "HER-017",
    "With several steps, as with one, a fraction k / (k + 1) of the transitions MUST be relabelled, with goals that "
    "the same episode achieves after the transition's observation.",
    reason="goals drawn from behind the window lie in another episode, and at an episode's end there are none",
    source=HER + "; " + MULTI_STEP_HER,
    capability=Capability.N_STEP,
)
@pytest.mark.parametrize("k", [1, 4])
def test_goals_of_several_steps_are_of_the_same_future(impl: Implementation, k: int) -> None:
    collector, replay = n_step_replay(impl, k=k)
    changed, drawn = 0, 0
    for batch in batches(replay):
        goals = batch.observations["desired_goal"]
        for row, (start, goal) in enumerate(zip(sampled_instants(batch), instants(goals), strict=True)):
            drawn += 1
            if np.allclose(goals[row], collector.transition(start).observation["desired_goal"]):
                continue
            changed += 1
            own = goal[:2] == start[:2] and len(window(collector, start, goal[2] - start[2])) == goal[2] - start[2]
            assert own, (
                f"the transition of several steps at {name(start)} got the goal of {name(goal)}: draw it from step "
                f"{start[2] + 1} on, and no farther than its episode's final one"
            )
    share, expected = changed / drawn, k / (k + 1)
    tolerance = 5 * (expected * (1 - expected) / drawn) ** 0.5 + 20 / drawn  # a batch may round its share
    assert abs(share - expected) <= tolerance, (
        f"{share:.1%} of the transitions of several steps are relabelled with k = {k}, not {expected:.1%}: relabel "
        "k / (k + 1) of them, those near an episode's end as well"
    )


@requirement(
    "RPL-030",
    "The next observation of a transition of several steps MUST be that many steps ahead, vectors and pixels, and at "
    "the episode's end its final one.",
    reason="a window that runs into the next episode bootstraps from a place that these actions did not lead to",
    source=N_STEP_RETURN + "; " + SB3_N_STEP,
    capability=Capability.N_STEP,
)
@pytest.mark.parametrize("n_steps", [2, 3, 6])
def test_the_next_observation_is_several_steps_ahead(impl: Implementation, n_steps: int) -> None:
    collector, replay = n_step_replay(impl, n_steps=n_steps)
    shorter = 0
    for batch in batches(replay):
        found = instants(batch.next_observations["achieved_goal"])
        for row, start in enumerate(sampled_instants(batch)):
            steps = window(collector, start, n_steps)
            wanted, at = (*start[:2], start[2] + len(steps)), named(start, steps)
            assert found[row] == wanted, (
                f"{at} leads to {name(found[row])}, not to {name(wanted)}: look n_steps ahead, and no farther than the "
                "episode's final observation"
            )
            final = steps[-1].next_observation
            for key in final.keys() - {"pixels", "desired_goal"}:
                close = np.allclose(batch.next_observations[key][row], final[key], rtol=1e-6, atol=1e-12)
                assert close, f"the next observation of {at} has {key} of another instant: give all vectors of one"
            fault = pixel_fault(batch.next_observations["pixels"][row], final["pixels"])
            assert fault is None, f"the next observation of {at}: {fault}: give pixels and vectors of one instant"
            shorter += len(steps) < n_steps
    assert shorter > 0, "no transition near an episode's end was drawn: draw all of them"


@requirement(
    "RPL-031",
    "The discount of a transition of several steps MUST be gamma to the power of the steps that were taken.",
    reason="a bootstrap that is discounted by too few steps, or by too many at an episode's end, is of another task",
    source=N_STEP_RETURN + "; " + SB3_N_STEP,
    capability=Capability.N_STEP,
)
@pytest.mark.parametrize("n_steps", [2, 3, 6])
def test_the_discount_is_that_of_the_steps_taken(impl: Implementation, n_steps: int) -> None:
    collector, replay = n_step_replay(impl, n_steps=n_steps)
    for batch in batches(replay):
        discounts = batch.discounts
        assert discounts is not None, "batches of several steps have no discounts: give them beside the rewards"
        for row, start in enumerate(sampled_instants(batch)):
            steps = window(collector, start, n_steps)
            found, wanted = float(np.ravel(discounts)[row]), GAMMA ** len(steps)
            assert np.isclose(found, wanted, rtol=1e-5), (
                f"{named(start, steps)} has the discount {found:.4g}, not {wanted:.4g}: "
                "take gamma to the power of the steps that were really taken"
            )


@requirement(
    "RPL-032",
    "A termination inside the window MUST end it: the transition is terminated, wherever in the window that lies, and "
    "a truncation is none.",
    reason="a bootstrap past the end of the task, or none where only the time was up, makes every value near it wrong",
    source="Pardo et al. 2018, arXiv:1712.00378; " + N_STEP_RETURN,
    capability=Capability.N_STEP,
)
@pytest.mark.parametrize("ends", ["terminated", "truncated"])
def test_a_termination_ends_the_window(impl: Implementation, ends: str) -> None:
    collector, replay = n_step_replay(impl, ends=ends)
    inside = 0
    for batch in batches(replay):
        for row, start in enumerate(sampled_instants(batch)):
            steps = window(collector, start)
            found, wanted = float(np.ravel(batch.terminated)[row]), float(steps[-1].terminated)
            assert found == wanted, (
                f"an episode that ended by being {ends}: {named(start, steps)} has terminated = {found:g}, not "
                f"{wanted:g}: take that of the last step in its window"
            )
            inside += len(steps) < N_STEPS
    assert inside > 0, "no window reached an episode's end: draw all transitions"


@requirement(
    "RPL-033",
    "The observation and the action of a transition of several steps MUST be those that its window begins with.",
    reason="the sum of the rewards is what the first action led to, and the critic would learn it for another one",
    source=N_STEP_RETURN + "; " + SB3_N_STEP,
    capability=Capability.N_STEP,
)
def test_a_window_begins_with_its_observation_and_action(impl: Implementation) -> None:
    collector, replay = n_step_replay(impl, k=0)
    for batch in batches(replay):
        advice = "give the observation and the action of the window's first step"
        assert_vectors(collector, batch, "observation", advice)
        assert_pixels(collector, batch, "observation", advice)
        assert_outcomes(collector, batch, "action", advice)


@requirement(
    "RPL-034",
    "With n_steps = 1, transitions MUST be those of a single step, and their discount, if they have one, gamma.",
    reason="a run of one step is the control that shows what several do",
    source=N_STEP_RETURN + "; " + SB3_N_STEP,
    capability=Capability.N_STEP,
)
def test_one_step_is_one_step(impl: Implementation) -> None:
    collector, replay = n_step_replay(impl, n_steps=1, k=0)
    assert_exact(collector, draw(replay, 300), "with n_steps = 1 give one step")
    for batch in batches(replay):
        off = 0.0 if batch.discounts is None else float(np.abs(np.asarray(batch.discounts) - GAMMA).max())
        assert off < 1e-5, f"with n_steps = 1 a discount is {off:.3g} off gamma: give gamma, or leave discounts out"


@requirement(
    "TRN-029",
    "The TD target MUST multiply the next value by the batch's discounts, where it has some, in place of gamma.",
    reason="three rewards and then one step's discount count the future more than the task does",
    source=N_STEP_RETURN,
    capability=Capability.N_STEP,
)
def test_the_target_uses_the_batchs_discounts(impl: Implementation) -> None:
    agent, batch = make_agent(impl), random_batch(terminated=0.0)
    for _ in range(40):
        agent.update_critic(
            replace(batch, rewards=np.full_like(batch.rewards, -10), terminated=np.ones_like(batch.terminated))
        )
    for _ in range(math.ceil(8 / impl.tau)):
        agent.update_target()
    kinds, times = 4, 128  # transitions without a future, with little, with more, and with as much that terminated
    many = Batch(
        observations=tile(batch.observations, 0, kinds * times),
        actions=np.repeat(batch.actions[:1], kinds * times, axis=0),
        next_observations=tile(batch.observations, 0, kinds * times),
        rewards=np.full(kinds * times, -1, np.float32),
        terminated=np.tile(np.array([0, 0, 0, 1], np.float32), times),
        discounts=np.tile(np.array([0, 0.4, 0.8, 0.8], np.float32), times),
    )
    future: Array = np.asarray(agent.td_target(many), np.float64).reshape(times, kinds) + 1
    advice = "multiply the next value by the batch's discounts instead of by gamma, each row by its own"
    off = float(np.abs(future[:, 0]).max())
    assert off < 1e-6, f"with a discount of 0 a target is {off:.3g} off its reward: {advice}"
    off = float(np.abs(future[:, 3]).max())
    assert off < 1e-6, f"with discounts, a target at a termination is {off:.3g} off its reward: bootstrap nothing there"
    ratio = float(future[:, 2].mean() / future[:, 1].mean())
    assert abs(ratio - 2) < 0.2, f"twice the discount changes the bootstrap {ratio:.2f}-fold, not twofold: {advice}"
