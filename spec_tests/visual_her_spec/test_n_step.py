"""Targets of several steps: replay sums up rewards of one goal, as far as the episode goes, before it bootstraps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from visual_her_spec.batches import make_agent, random_batch, tile
from visual_her_spec.catalogue import requirement
from visual_her_spec.collector import (
    Array,
    Collector,
    Instant,
    instants,
    name,
    pixel_fault,
    sampled_instants,
    telling_reward,
)
from visual_her_spec.protocol import Batch, Capability, Implementation, ReplayProbe

N_STEPS, GAMMA, LENGTHS = 3, 0.5, (2, 5, 7)
MULTI_STEP_HER = "multi-step HER: Yang et al. 2021, arXiv:2102.12962, section 4"
N_STEP_RETURN = "Yarats et al. 2021, arXiv:2107.09645, section 3.1: returns of n = 3 steps"


def n_step_replay(impl: Implementation, *, k: int = 4, ends: str = "truncated") -> tuple[Collector, ReplayProbe]:
    """Complete episodes of three lengths, one of them shorter than the window, in a ring that has wrapped around."""
    collector = Collector(impl, LENGTHS, ends=ends, reward=telling_reward)
    replay = impl.make_replay(
        collector.observation_space,
        collector.action_space,
        capacity=3 * max(LENGTHS) * len(LENGTHS),
        n_envs=len(LENGTHS),
        n_sampled_goal=k,
        compute_reward=telling_reward,
        episode_length=min(LENGTHS),
        n_steps=N_STEPS,
        gamma=GAMMA,
    )
    collector.step(replay, steps=70)
    return collector, replay


def batches(replay: ReplayProbe) -> list[Batch]:
    """Some 600 transitions."""
    return [replay.sample(30) for _ in range(20)]


def steps_taken(collector: Collector, start: Instant) -> int:
    """Of the window that begins here."""
    return min(N_STEPS, collector.final_steps[start[:2]] - start[2])


@requirement(
    "HER-016",
    "The reward of a transition of several steps MUST be the discounted sum of the task's rewards for the one goal "
    "that the batch shows, on both of its sides, over the steps taken.",
    reason="rewards of several goals, or those from before the relabelling, teach a value that no goal has",
    source=MULTI_STEP_HER,
    capability=Capability.N_STEP,
)
@pytest.mark.parametrize("k", [0, 4])
def test_rewards_of_several_steps_are_of_one_goal(impl: Implementation, k: int) -> None:
    collector, replay = n_step_replay(impl, k=k)
    for batch in batches(replay):
        goals, next_goals = batch.observations["desired_goal"], batch.next_observations["desired_goal"]
        for row, start in enumerate(sampled_instants(batch)):
            at = f"the transition of several steps at {name(start)}"
            assert np.allclose(goals[row], next_goals[row]), f"{at} has two goals: relabel both of its observations"
            expected, ones, kept = 0.0, 0.0, 0.0
            for ahead in range(steps_taken(collector, start)):
                step = collector.transition((*start[:2], start[2] + ahead))
                reward = float(telling_reward(step.next_observation["achieved_goal"], goals[row], {}))
                expected, ones = expected + GAMMA**ahead * reward, ones + reward
                kept += GAMMA**ahead * step.reward
            found = float(batch.rewards[row])
            why = "sum up the task's rewards for the goal that the batch shows, the j-th times gamma to the j"
            if np.isclose(found, ones, rtol=1e-5) and not np.isclose(ones, expected, rtol=1e-5):
                why = "discount the j-th reward by gamma to the j"
            elif np.isclose(found, kept, rtol=1e-5) and not np.isclose(kept, expected, rtol=1e-5):
                why = "it keeps the rewards of its old goal, so compute all of them after the relabelling"
            assert np.isclose(found, expected, rtol=1e-5), f"{at} has the reward {found:.7g}, not {expected:.7g}: {why}"


@requirement(
    "RPL-030",
    "The next observation of a transition of several steps MUST be that many steps ahead, vectors and pixels, and at "
    "the episode's end its final one.",
    reason="a window that runs into the next episode bootstraps from a place that these actions did not lead to",
    source=N_STEP_RETURN + "; DLR-RM/stable-baselines3, common/buffers.py, NStepReplayBuffer",
    capability=Capability.N_STEP,
)
def test_the_next_observation_is_several_steps_ahead(impl: Implementation) -> None:
    collector, replay = n_step_replay(impl)
    shorter = 0
    for batch in batches(replay):
        found = instants(batch.next_observations["achieved_goal"])
        for row, start in enumerate(sampled_instants(batch)):
            taken = steps_taken(collector, start)
            wanted = (*start[:2], start[2] + taken)
            at = f"the transition of {taken} steps at {name(start)}"
            assert found[row] == wanted, (
                f"{at} leads to {name(found[row])}, not to {name(wanted)}: look n_steps ahead, and no farther than the "
                "episode's final observation"
            )
            final = collector.transition((*start[:2], start[2] + taken - 1)).next_observation
            fault = pixel_fault(batch.next_observations["pixels"][row], final["pixels"])
            assert fault is None, f"the next observation of {at}: {fault}: give pixels and vectors of one instant"
            shorter += taken < N_STEPS
    assert shorter > 0, "no transition near an episode's end was drawn: draw all of them"


@requirement(
    "RPL-031",
    "The discount of a transition of several steps MUST be gamma to the power of the steps that were taken.",
    reason="a bootstrap that is discounted by too few steps, or by too many at an episode's end, is of another task",
    source=N_STEP_RETURN + "; DLR-RM/stable-baselines3, common/buffers.py, NStepReplayBuffer",
    capability=Capability.N_STEP,
)
def test_the_discount_is_that_of_the_steps_taken(impl: Implementation) -> None:
    collector, replay = n_step_replay(impl)
    for batch in batches(replay):
        discounts = batch.discounts
        assert discounts is not None, "batches of several steps have no discounts: give them beside the rewards"
        for row, start in enumerate(sampled_instants(batch)):
            taken = steps_taken(collector, start)
            found, wanted = float(np.ravel(discounts)[row]), GAMMA**taken
            assert np.isclose(found, wanted, rtol=1e-5), (
                f"the transition of {taken} steps at {name(start)} has the discount {found:.4g}, not {wanted:.4g}: "
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
            last = start[2] + steps_taken(collector, start) == collector.final_steps[start[:2]]
            wanted = float(last and ends == "terminated")
            found = float(np.ravel(batch.terminated)[row])
            assert found == wanted, (
                f"an episode that ended by being {ends}: the transition of several steps at {name(start)} has "
                f"terminated = {found:g}, not {wanted:g}: take that of the last step in its window"
            )
            inside += last
    assert inside > 0, "no window reached an episode's end: draw all transitions"


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

    def bootstrap(discount: float) -> Array:
        many = Batch(
            observations=tile(batch.observations, 0, 128),
            actions=np.repeat(batch.actions[:1], 128, axis=0),
            next_observations=tile(batch.observations, 0, 128),
            rewards=np.zeros(128, np.float32),
            terminated=np.zeros(128, np.float32),
            discounts=np.full(128, discount, np.float32),
        )
        return np.asarray(agent.td_target(many), np.float64)

    off = float(np.abs(bootstrap(0.0)).max())
    advice = "multiply the next value by the batch's discounts instead of by gamma"
    assert off < 1e-6, f"with a discount of 0 a target is {off:.3g} off its reward: {advice}"
    ratio = float(bootstrap(0.8).mean() / bootstrap(0.4).mean())
    assert abs(ratio - 2) < 0.2, f"twice the discount changes the bootstrap {ratio:.2f}-fold, not twofold: {advice}"
