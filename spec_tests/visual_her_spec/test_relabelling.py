"""HER: which goals a sampled batch is relabelled with, and what relabelling leaves alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from visual_her_spec.catalogue import requirement
from visual_her_spec.collector import (
    Array,
    Collector,
    Instant,
    assert_same_contents,
    draw,
    instants,
    name,
    sampled_instants,
    telling_reward,
    wrapping,
)
from visual_her_spec.fake_env import compute_reward
from visual_her_spec.protocol import Batch, Implementation, ReplayProbe, RewardFunction

HER = "Andrychowicz et al. 2017, arXiv:1707.01495"
FUTURE = HER + ", section 4.5"


def hindsight(
    impl: Implementation,
    n_sampled_goal: int,
    *,
    length: int = 6,
    n_envs: int = 2,
    reward: RewardFunction = telling_reward,
) -> tuple[Collector, ReplayProbe]:
    """Complete episodes, nothing overwritten, rewards that tell which goals they were computed from."""
    collector = Collector(impl, [length] * n_envs, reward=reward)
    replay = collector.replay(capacity=10 * length * n_envs, n_sampled_goal=n_sampled_goal)
    collector.step(replay, steps=5 * length)
    return collector, replay


def relabelled(collector: Collector, batch: Batch) -> Array:
    """Which rows have another desired goal than their episode, (B,)."""
    original = np.array(
        [collector.transition(instant).observation["desired_goal"] for instant in sampled_instants(batch)]
    )
    changed: Array = (np.abs(batch.observations["desired_goal"] - original) > 1e-6).any(axis=1)
    return changed


def new_goals(collector: Collector, batch: Batch) -> Iterator[tuple[int, Instant, Instant]]:
    """Row, where the transition starts and where its new goal was achieved, of each relabelled row."""
    rows = np.flatnonzero(relabelled(collector, batch)).tolist()
    assert rows, (
        f"no goal of {len(batch.actions)} sampled transitions was relabelled: put achieved goals into desired_goal"
    )
    starts, goals = sampled_instants(batch), instants(batch.observations["desired_goal"])
    for row in rows:
        yield row, starts[row], goals[row]


@requirement(
    "HER-001",
    "With n_sampled_goal = k, a fraction k / (k + 1) of the sampled transitions MUST be relabelled.",
    reason="k = 8 is there for its 88 % of relabelled transitions; another share is another experiment",
    source=FUTURE + "; chapter section 9.6",
)
@pytest.mark.parametrize("k", [1, 4, 8])
def test_share_of_relabelled_goals(impl: Implementation, k: int) -> None:
    collector, replay = hindsight(impl, k)
    draws, batch_size = 4_200, 60  # a batch may round its share
    batches = [replay.sample(batch_size) for _ in range(draws // batch_size)]
    share = float(np.mean([relabelled(collector, batch).mean() for batch in batches]))
    expected = k / (k + 1)
    tolerance = 5 * (expected * (1 - expected) / draws) ** 0.5 + 1 / batch_size
    assert abs(share - expected) <= tolerance, (
        f"{share:.1%} of the transitions are relabelled with k = {k}, not {expected:.1%}: the share is k / (k + 1)"
    )


@requirement(
    "HER-015",
    "Which transitions are relabelled MUST be decided for each by itself: the share of a batch or of an env in it "
    "varies no more than independent draws do.",
    reason="batches that are relabelled as a whole, or env by env, swing between two tasks from update to update",
    source=FUTURE,
)
def test_relabelling_is_decided_for_each_transition(impl: Implementation) -> None:
    collector, replay = hindsight(impl, 1)
    parts: dict[str, list[tuple[int, int]]] = {"a batch": [], "an env in a batch": []}
    for _ in range(80):
        batch = replay.sample(60)
        changed, envs = relabelled(collector, batch), np.array([env for env, _, _ in sampled_instants(batch)])
        parts["a batch"].append((int(changed.sum()), len(changed)))
        parts["an env in a batch"] += [(int(changed[envs == env].sum()), int((envs == env).sum())) for env in range(2)]
    for what, counts in parts.items():
        excess = float(np.mean([(chosen - total / 2) ** 2 / (total / 4) for chosen, total in counts if total]))
        assert excess < 2, (  # 1 +- 0.16 if independent, less where the number is fixed; 30 for one decision an env
            f"the share of relabelled transitions of {what} varies {excess:.1f} times as much as independent draws "
            "would: decide for each transition by itself"
        )


@requirement(
    "HER-002",
    "With n_sampled_goal = 0, nothing MUST be relabelled.",
    reason="the run without hindsight is the control that shows what hindsight does",
    source=HER,
)
def test_no_hindsight_relabels_nothing(impl: Implementation) -> None:
    collector, replay = hindsight(impl, 0)
    changed = int(relabelled(collector, draw(replay, 600)).sum())
    assert changed == 0, f"{changed} of 600 goals are relabelled with k = 0: leave every goal alone"


@requirement(
    "HER-003",
    "A new goal MUST have been achieved in the same episode of the same env.",
    reason="a goal of another episode is not what these actions led to: it is noise in k / (k + 1) of the batch",
    source=FUTURE,
)
def test_goals_come_from_the_same_episode(impl: Implementation) -> None:
    collector, replay = hindsight(impl, 8, n_envs=3)
    for _, start, goal in new_goals(collector, draw(replay, 1_500)):
        assert goal[:2] == start[:2], (
            f"the transition at {name(start)} got the goal achieved at {name(goal)}: take goals from its own episode"
        )


@requirement(
    "HER-004",
    "After the ring has wrapped around, a new goal MUST still be of the same episode, from the next step to its last.",
    reason="goals read past an episode's end, or from overwritten slots, are of an episode that was not played",
    source="thu-ml/tianshou#811; DLR-RM/stable-baselines3#234",
)
def test_goals_after_the_ring_has_wrapped(impl: Implementation) -> None:
    for collector, replay in wrapping(impl, n_sampled_goal=8):
        for _, start, goal in new_goals(collector, draw(replay, 100)):
            final = collector.final_steps.get(start[:2], collector.tasks[start[0]].steps)
            future = {(*start[:2], step) for step in range(start[2] + 1, final + 1)}
            assert goal in future, (
                f"after {collector.moment} steps the transition at {name(start)} of an episode of {final} steps got "
                f"the goal of {name(goal)}: reduce indices modulo the ring's length, and drop an episode as a whole"
            )


@requirement(
    "HER-005",
    "A new goal MUST have been achieved after the transition's observation.",
    reason="a goal from the past, or the present one, rewards moving away from it",
    source=FUTURE,
)
def test_goals_come_from_the_future(impl: Implementation) -> None:
    collector, replay = hindsight(impl, 8)
    for _, start, goal in new_goals(collector, draw(replay, 1_500)):
        assert goal[:2] != start[:2] or goal[2] > start[2], (
            f"the transition at {name(start)} got the goal of step {goal[2]}: draw it from step {start[2] + 1} on"
        )


@requirement(
    "HER-006",
    "Every later instant of the episode MUST be drawn as a goal, from the next one to the final one.",
    reason="without the next one no relabelled reward is 0; without the final one the best outcome is never a goal",
    source="DLR-RM/stable-baselines3#847; hill-a/stable-baselines#666",
)
def test_every_later_instant_becomes_a_goal(impl: Implementation) -> None:
    length = 6
    collector, replay = hindsight(impl, 8, length=length)
    drawn = Counter((start[2], goal[2]) for _, start, goal in new_goals(collector, draw(replay, 4_000)))
    for step in range(length):
        for later in range(step + 1, length + 1):  # about 100 draws for the rarest pair
            assert drawn[step, later] > 0, (
                f"in {drawn.total()} draws no transition at step {step} got the goal achieved at step {later} of an "
                f"episode of {length} steps: draw from the next achieved goal up to and including the final one"
            )


@requirement(
    "HER-014",
    "Every later instant of the episode MUST be drawn as a goal with the same probability.",
    reason="mostly the next instant teaches single steps only; mostly the final one is the weaker strategy 'final'",
    source=FUTURE,
)
def test_goals_are_uniform_over_the_later_steps(impl: Implementation) -> None:
    length = 6
    collector, replay = hindsight(impl, 8, length=length)
    drawn = Counter((start[2], goal[2]) for _, start, goal in new_goals(collector, draw(replay, 4_000)))
    expected: dict[tuple[int, int], float] = {}
    for step in range(length):
        later = range(step + 1, length + 1)
        expected |= {(step, goal): sum(drawn[step, at] for at in later) / len(later) for goal in later}
    excess = {pair: (drawn[pair] - mean) ** 2 / mean for pair, mean in expected.items() if mean}
    freedom = len(expected) - length
    step, goal = max(excess, key=lambda pair: excess[pair])
    spread = sum(excess.values()) / freedom  # 1 +- 0.37 if uniform
    assert spread < 4, (
        f"a transition at step {step} got the goal of step {goal} in {drawn[step, goal]} draws where "
        f"{expected[step, goal]:.0f} are due (chi-square {spread:.1f} a degree of freedom): draw uniformly from step + "
        f"1 to the final step, {length}"
    )


@requirement(
    "HER-007",
    "An episode of a single step MUST be relabelled as well, with what that step achieved.",
    reason="an index drawn from an empty range raises, or points into the next episode",
    source="hill-a/stable-baselines#578",
)
def test_single_step_episode(impl: Implementation) -> None:
    collector = Collector(impl, [1, 1])
    replay = collector.replay(capacity=40, n_sampled_goal=8)
    collector.step(replay, steps=12)
    batch = draw(replay, 200)
    changed = int(relabelled(collector, batch).sum())
    assert changed > 0, "no transition of episodes of a single step is relabelled: use the goal that the step achieved"
    for _, start, goal in new_goals(collector, batch):
        own = goal == (*start[:2], 1)
        assert own, f"the only step of {name(start)} got the goal of {name(goal)}: use the one that it achieved"


@requirement(
    "HER-008",
    "The desired goal MUST be the same in observation and next observation.",
    reason="the target would value the next state for another goal than the reward was given for",
    source=HER,
)
def test_goal_is_the_same_on_both_sides(impl: Implementation) -> None:
    _, replay = hindsight(impl, 4)
    batch = draw(replay, 600)
    difference = np.abs(batch.observations["desired_goal"] - batch.next_observations["desired_goal"]).max(axis=1)
    apart = float((difference > 1e-6).mean())
    assert apart == 0, (
        f"desired_goal differs between observation and next observation in {apart:.0%} of the batch: relabel both"
    )


@requirement(
    "HER-009",
    "The reward of a relabelled transition MUST be recomputed: success exactly where the goal is achieved next.",
    reason="a reward that is kept, or computed from the present achieved goal, calls the reached goal a failure",
    source="hill-a/stable-baselines#728",
)
def test_reward_is_recomputed_from_the_next_achieved_goal(impl: Implementation) -> None:
    collector, replay = hindsight(impl, 4, reward=compute_reward)
    batch = draw(replay, 1_000)
    for row, start, goal in new_goals(collector, batch):
        reached = goal == (*start[:2], start[2] + 1)
        succeeded = bool(batch.rewards[row] == 0)
        assert succeeded == reached, (
            f"the transition at {name(start)} {'reaches' if reached else 'misses'} its new goal, of step {goal[2]}, "
            f"but its reward is {batch.rewards[row]:.3g}: recompute it from the next observation's achieved goal"
        )


@requirement(
    "HER-010",
    "compute_reward MUST be called with the achieved goal first and the desired goal second.",
    reason="a distance forgives the wrong order, a task with obstacles or directions does not",
    source="Gymnasium-Robotics, GoalEnv.compute_reward(achieved_goal, desired_goal, info)",
)
def test_reward_arguments_are_in_order(impl: Implementation) -> None:
    collector, replay = hindsight(impl, 4)
    batch = draw(replay, 600)
    for row, start, _ in new_goals(collector, batch):
        achieved, desired = batch.next_observations["achieved_goal"][row], batch.observations["desired_goal"][row]
        right, swapped = float(telling_reward(achieved, desired, {})), float(telling_reward(desired, achieved, {}))
        found = "the reward of swapped arguments" if batch.rewards[row] == swapped else "another reward"
        close = np.isclose(batch.rewards[row], right, rtol=1e-6)
        assert close, (
            f"the relabelled transition at {name(start)} has {found}, {batch.rewards[row]:.0f}, not {right:.0f}: "
            "call compute_reward(achieved_goal, desired_goal, info) with the next achieved and the new desired goal"
        )


@requirement(
    "HER-011",
    "Transitions that are not relabelled MUST keep their goal and their reward.",
    reason="the real goals are what the agent is evaluated on",
    source=HER,
)
def test_other_transitions_keep_goal_and_reward(impl: Implementation) -> None:
    collector, replay = hindsight(impl, 1)
    batch = draw(replay, 600)
    kept = int((~relabelled(collector, batch)).sum())
    assert kept > 0, "all 600 goals are relabelled with k = 1: half of the batch keeps its own"
    assert_kept_rewards(collector, batch, "recompute rewards of relabelled rows only")


def assert_kept_rewards(collector: Collector, batch: Batch, advice: str) -> None:
    """Rows with their own goal have their own reward."""
    instants_of_rows = sampled_instants(batch)
    for row in np.flatnonzero(~relabelled(collector, batch)).tolist():
        expected, reward = collector.transition(instants_of_rows[row]).reward, float(batch.rewards[row])
        assert abs(reward - expected) < 1e-3, (
            f"the transition at {name(instants_of_rows[row])} has its own goal but its reward is {reward:.0f}, "
            f"not {expected:.0f}: {advice}"
        )


@requirement(
    "HER-012",
    "Relabelling MUST NOT change anything but the desired goal and the reward.",
    reason="what was achieved and seen is what happened: only what was wanted is rewritten",
    source=HER,
)
def test_everything_else_is_left_alone(impl: Implementation) -> None:
    collector = Collector(impl, [6, 6])
    replay, plain = collector.replay(capacity=120, n_sampled_goal=8), collector.replay(capacity=120)
    collector.step(replay, plain, steps=30)
    goals = "observation's desired_goal", "next observation's desired_goal"
    advice = "hindsight replaces desired_goal and the reward, nothing else"
    assert_same_contents(draw(plain, 600), draw(replay, 600), advice, leave_out=(*goals, "reward"))


@requirement(
    "HER-013",
    "Relabelling MUST NOT change what is stored: a transition's own goal and reward come back in later draws.",
    reason="goals written into the storage replace the real ones within an hour, and hindsight feeds on hindsight",
    source="thu-ml/tianshou#753, which rewrites the storage and has to restore it",
)
def test_storage_keeps_its_goals(impl: Implementation) -> None:
    collector, replay = hindsight(impl, 1)
    for _ in range(60):
        replay.sample(60)  # each transition some 30 times relabelled
    batch = draw(replay, 2_400)
    own = {
        instant
        for instant, changed in zip(sampled_instants(batch), relabelled(collector, batch), strict=True)
        if not changed
    }
    lost = replay.size() - len(own)
    assert lost == 0, (
        f"after many draws {lost} of {replay.size()} transitions never have their own goal: relabel the batch only"
    )
    assert_kept_rewards(collector, batch, "relabel the batch only")
