"""RPL: what a replay buffer gives back, held against a plain record of what it was given."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import Counter
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from visual_her_spec.catalogue import Profile, requirement
from visual_her_spec.collector import (
    MEMORY_SECTION,
    REUSED,
    SB3_HER,
    Collector,
    assert_exact,
    assert_one_source,
    assert_outcomes,
    assert_pixels,
    assert_same_contents,
    assert_vectors,
    draw,
    filled,
    frames_of,
    instants,
    name,
    sampled_instants,
    telling_reward,
    wrapping,
)
from visual_her_spec.protocol import Capability, Implementation, ReplayProbe


@requirement(
    "RPL-001",
    "A sampled batch MUST have as many rows as were asked for, uint8 pixels, and one reward and one termination a row.",
    reason="floats take four times the memory of uint8, and (B, 1) against (B,) broadcasts to (B, B) in a loss",
    source=SB3_HER,
)
def test_batch_layout(impl: Implementation) -> None:
    collector, replay = filled(impl)
    batch, wanted = replay.sample(16), collector.observation_space["pixels"]
    for pixels in (batch.observations["pixels"], batch.next_observations["pixels"]):
        assert pixels.dtype == np.uint8, f"sampled pixels are {pixels.dtype}: keep them uint8 until the network's input"
        assert pixels.shape == (16, *(wanted.shape or ())), (
            f"16 stacks of pixels are {pixels.shape}, not (16, *{wanted.shape})"
        )
    for what, array in (("rewards", batch.rewards), ("terminations", batch.terminated)):
        assert array.shape == (16,), f"16 {what} are of shape {array.shape}, not (16,): drop the extra axis"
    assert batch.actions.shape == (16, 2), f"16 actions are of shape {batch.actions.shape}, not (16, 2)"


@requirement(
    "RPL-002",
    "The pixels of a sampled observation MUST be the stack that the env returned, bit by bit and oldest frame first.",
    reason="a stack that is rebuilt in another order shows motion backwards, and an agent still half learns from it",
    source="Mnih et al. 2015, doi:10.1038/nature14236; chapter section 9.3",
)
def test_observation_stack_is_bit_exact(impl: Implementation) -> None:
    collector, replay = filled(impl)
    advice = "rebuild the stack from the frames up to this instant, oldest first"
    assert_pixels(collector, draw(replay, 600), "observation", advice, only=lambda instant: instant[2] >= 3)


@requirement(
    "RPL-003",
    "Where an episode starts, the sampled stack MUST repeat the episode's first frame as the env did.",
    reason="a stack that reaches back shows the end of another episode, with the object elsewhere",
    source="chapter section 9.3; google/dopamine, circular_replay_buffer.py",
)
def test_stack_does_not_leak_over_an_episode_start(impl: Implementation) -> None:
    collector, replay = filled(impl, lengths=(3,))
    batch = draw(replay, 400)
    for row, start in enumerate(sampled_instants(batch)):
        returned = Counter(frames_of(collector.transition(start).observation["pixels"]))
        wrong = (Counter(frames_of(batch.observations["pixels"][row])) - returned).total()  # in any order
        assert wrong == 0, (
            f"{wrong} of 4 frames at {name(start)} are not those that the env stacked at the episode's start: "
            "stop the stack at the episode's first frame and repeat that"
        )


@requirement(
    "RPL-004",
    "The pixels of a sampled next observation MUST be the stack that the env returned one step after the observation.",
    reason="a next observation that equals the observation makes the TD target bootstrap from the present",
    source="Mnih et al. 2015, doi:10.1038/nature14236",
)
def test_next_observation_stack_is_bit_exact(impl: Implementation) -> None:
    collector, replay = filled(impl)
    advice = "the next stack is the one that is newer by one frame"
    assert_pixels(collector, draw(replay, 600), "next_observation", advice, only=lambda instant: instant[2] < 7)


@requirement(
    "RPL-005",
    "The next observation of an episode's last transition MUST be its true final one, not the next reset's.",
    reason="a truncated episode is bootstrapped from it: from a reset, the value of a start leaks into the end",
    source="vwxyzjn/cleanrl#545",
)
def test_last_next_observation_is_the_final_one(impl: Implementation) -> None:
    collector, replay = filled(impl)
    batch, advice = (
        draw(replay, 600),
        "store the final observation that is given as next_observations, beside the next reset's",
    )
    last = [row for row, instant in enumerate(sampled_instants(batch)) if instant[2] == 7]
    assert last, "no episode's last transition was drawn in 600 draws: it is a transition like any other"
    for row in last:
        start, returned = (
            sampled_instants(batch)[row],
            collector.transition(sampled_instants(batch)[row]).next_observation,
        )
        reached = instants(batch.next_observations["achieved_goal"][row : row + 1])[0]
        assert reached == (*start[:2], 8), f"the transition at {name(start)} leads to {name(reached)}: {advice}"
        final = frames_of(returned["pixels"])[-1] in frames_of(batch.next_observations["pixels"][row])
        assert final, f"the transition at {name(start)} does not show its final frame: {advice}"


@requirement(
    "RPL-006",
    "All vectors of a sampled observation and next observation MUST be those of the instants that the pixels show.",
    reason="goals and proprioception that lag the pixels by one step teach a wrong correspondence",
    source="chapter section 9.3",
)
def test_vectors_belong_to_their_instants(impl: Implementation) -> None:
    collector, replay = filled(impl)
    batch, advice = draw(replay, 600), "read vectors and pixels with the same index, in float32 or better"
    assert_vectors(collector, batch, "observation", advice)
    assert_vectors(collector, batch, "next_observation", advice)


@requirement(
    "RPL-007",
    "With several envs, every part of a sampled transition MUST come from one env.",
    reason="an index that takes (step, env) for (env, step) mixes scenes, and shapes still fit",
    source="DLR-RM/stable-baselines3#704",
)
def test_envs_are_not_mixed_up(impl: Implementation) -> None:
    collector, replay = filled(impl, lengths=(8, 8, 8))
    assert_one_source(collector, draw(replay, 900), "take every part of a transition from one env", source="env")


@requirement(
    "RPL-008",
    "After the ring has wrapped around, with unequal episodes, a sampled transition MUST still be one that was added.",
    reason="an index that is off by one at the wrap, or a half overwritten episode, poisons a few draws in a thousand",
    source="DLR-RM/stable-baselines3#234",
)
def test_ring_wrap_is_exact(impl: Implementation) -> None:
    for collector, replay in wrapping(impl):
        advice = "reduce every index modulo the ring's length, and drop what is overwritten"
        assert_one_source(collector, draw(replay, 64), f"after {collector.moment} steps: {advice}", source="episode")


@requirement(
    "RPL-009",
    "A sampled action MUST be the one that led from the observation to the next observation.",
    reason="an action that is off by one step belongs to another effect",
    source=SB3_HER,
)
def test_actions_belong_to_their_transition(impl: Implementation) -> None:
    collector, replay = filled(impl)
    assert_outcomes(collector, draw(replay, 400), "action", "store it with the observation that it was taken in")


@requirement(
    "RPL-010",
    "A sampled reward that was not recomputed MUST be the one of its transition.",
    reason="a reward that is off by one step credits another action",
    source=SB3_HER,
)
def test_rewards_belong_to_their_transition(impl: Implementation) -> None:
    collector, replay = filled(impl, reward=telling_reward)
    assert_outcomes(
        collector, draw(replay, 400), "reward", "store it with the observation that its action was taken in"
    )


@requirement(
    "RPL-011",
    "The last transition of a truncated episode MUST be sampled as not terminated.",
    reason="every Fetch episode is truncated after 50 steps: taken for an end, it loses the value of what would follow",
    source="Pardo et al. 2018, arXiv:1712.00378",
)
def test_truncation_is_not_termination(impl: Implementation) -> None:
    collector, replay = filled(impl, lengths=(4,))
    advice = "the episode ran out of time: only terminated stops bootstrapping, truncated does not"
    assert_outcomes(collector, draw(replay, 400), "terminated", advice)


@requirement(
    "RPL-012",
    "The last transition of a terminated episode, and no other, MUST be sampled as terminated.",
    reason="a task that ended has no value beyond its end",
    source="Sutton and Barto 2018, section 3.4",
)
def test_termination_is_kept(impl: Implementation) -> None:
    collector, replay = filled(impl, lengths=(4,), ends="terminated")
    advice = "keep the terminated flag that was added with this transition"
    assert_outcomes(collector, draw(replay, 400), "terminated", advice)


@requirement(
    "RPL-028",
    "A step that is both terminated and truncated MUST be sampled as terminated.",
    reason="a task that ends at its last step has ended: the time limit adds no value beyond it",
    source="Gymnasium, Env.step: both can be true; SB3's TimeLimit.truncated is false where the task terminated",
)
def test_termination_outranks_truncation(impl: Implementation) -> None:
    collector, replay = filled(impl, lengths=(4,), ends="both")
    advice = "the step is truncated as well, but only terminated decides: do not clear it at the time limit"
    assert_outcomes(collector, draw(replay, 400), "terminated", advice)


@requirement(
    "RPL-013",
    "size() MUST be the number of transitions that can be drawn: each of them is, and no other.",
    reason="transitions that are never drawn, such as each episode's last, are lost experience that no error shows",
    source=SB3_HER,
)
def test_size_counts_what_can_be_drawn(impl: Implementation) -> None:
    for at, (collector, replay) in enumerate(wrapping(impl, rounds=14)):
        if at % 5 == 3:
            size = replay.size()
            distinct = len(set(sampled_instants(draw(replay, 30 * size))))
            assert distinct == size, (
                f"{distinct} different transitions in {30 * size} draws, but size() is {size} after {collector.moment} "
                "steps: count what can be drawn, and draw all of it"
            )


@requirement(
    "RPL-014",
    "With episodes of episode_length steps, a full buffer MUST hold its capacity, or up to an episode an env less.",
    reason="a buffer that loses more is smaller than configured, and one that holds more outgrows the memory promised",
    source="chapter section 9.13, memory",
)
def test_capacity_is_used_and_kept(impl: Implementation) -> None:
    length, n_envs = 5, 3
    collector = Collector(impl, [length] * n_envs)
    capacity = 6 * length * n_envs
    replay = collector.replay(capacity=capacity)
    for step in range(1, 20 * length):
        collector.step(replay)
        size, least = replay.size(), min(step * n_envs, capacity) - n_envs * length
        assert size <= capacity, (
            f"size() is {size} with a capacity of {capacity} after {step} steps: overwrite the oldest"
        )
        assert size >= least, (
            f"size() is {size} after {step} steps of {n_envs} envs with a capacity of {capacity}: "
            f"at least {least} transitions are of complete episodes that need not be overwritten yet"
        )


@requirement(
    "RPL-015",
    "A full buffer MUST go on taking in the newest episodes and forget the oldest first.",
    reason="a buffer that stops taking in trains on the random policy's episodes for ever",
    source="Lin 1992, doi:10.1007/BF00992699",
)
def test_oldest_goes_first(impl: Implementation) -> None:
    length, n_envs, kept = 5, 2, 20
    collector = Collector(impl, [length] * n_envs)
    replay = collector.replay(capacity=kept * n_envs)
    collector.step(replay, steps=5 * kept)
    moments = [collector.transition(instant).moment for instant in sampled_instants(draw(replay, 30 * replay.size()))]
    newest, oldest = collector.moment - 1 - max(moments), collector.moment - 1 - min(moments)
    assert newest == 0, (
        f"the newest transition that is drawn is {newest} steps old, at an episode's end: take in every episode"
    )
    assert oldest < kept + 2 * length, (
        f"a transition {oldest} steps old is drawn from a buffer of {kept} steps an env: overwrite the oldest first"
    )


@requirement(
    "RPL-016",
    "Transitions MUST be drawn uniformly.",
    reason="a draw that favours some slots, such as the ring's borders, changes the distribution that is trained on",
    source="Mnih et al. 2015, doi:10.1038/nature14236; " + SB3_HER,
)
def test_draws_are_uniform(impl: Implementation) -> None:
    collector = Collector(impl, [6, 6, 6])
    replay = collector.replay(capacity=126)
    collector.step(replay, steps=72)  # wrapped, at the end of an episode
    expected = 60
    counts = Counter(sampled_instants(draw(replay, expected * replay.size())))
    spread = sum((count - expected) ** 2 for count in counts.values()) / expected
    spread = (spread + expected * (replay.size() - len(counts))) / (replay.size() - 1)  # 1 +- 0.13 if uniform
    rarest, commonest = min(counts.values()), max(counts.values())
    assert spread < 2, (
        f"of {replay.size()} transitions the rarest was drawn {rarest} times and the commonest {commonest} times, "
        f"{expected} expected (chi-square {spread:.1f} a degree of freedom): give each the same probability"
    )


@requirement(
    "RPL-029",
    "Buffers of one seed that were given the same transitions MUST sample the same, and one of another seed otherwise.",
    reason="draws, goals and shifts that no seed decides make no run repeatable, whatever else is seeded",
    source="denisyarats/drq#10",
)
def test_seed_decides_what_is_sampled(impl: Implementation) -> None:
    one, same, other = (_drawn_with(impl, seed) for seed in (0, 0, 1))
    for what, array in one.items():
        off = float((array != same[what]).reshape(len(array), -1).any(axis=1).mean())
        assert off == 0, (
            f"{what} of two buffers with one seed and the same contents differ in {off:.0%} of the rows: let the seed "
            "decide draws, goals and shifts"
        )
    differ = np.any(one["transitions"] != other["transitions"])
    assert differ, "buffers with seeds 0 and 1 draw the same transitions: let the seed decide what is drawn"


def _drawn_with(impl: Implementation, seed: int) -> dict[str, Any]:
    """What a buffer draws from ten episodes; it is made, filled and drawn from before another one is made."""
    collector = Collector(impl, [6, 6])
    replay = impl.make_replay(
        collector.observation_space,
        collector.action_space,
        capacity=240,
        n_envs=2,
        n_sampled_goal=1,
        compute_reward=collector.reward,
        episode_length=6,
        drq_pad=2 if Capability.RANDOM_SHIFT in impl.capabilities else 0,
        seed=seed,
    )
    collector.step(replay, steps=30)
    batch = draw(replay, 120)
    return {
        "transitions": batch.observations["achieved_goal"],
        "goals": batch.observations["desired_goal"],
        "shifts of observations": batch.observations["pixels"],
        "shifts of next observations": batch.next_observations["pixels"],
    }


@requirement(
    "RPL-017",
    "Writing into sampled arrays MUST NOT change what the buffer holds.",
    reason="normalising or augmenting a batch in place would corrupt the storage if the batch were a view of it",
    source="numpy reference, indexing: basic slices are views",
)
def test_sampled_arrays_are_copies(impl: Implementation) -> None:
    _, replay = filled(impl, steps=16)
    before = draw(replay, 200)
    for _ in range(20):
        batch = replay.sample(4)
        for array in (
            *batch.observations.values(),
            *batch.next_observations.values(),
            batch.actions,
            batch.rewards,
            batch.terminated,
        ):
            if array.flags.writeable:
                array[...] = REUSED
    after, advice = draw(replay, 200), "a batch was written into: return copies, not views of the storage"
    strange = len(set(sampled_instants(after)) - set(sampled_instants(before)))
    assert strange == 0, f"{strange} transitions are drawn that were not there before {advice}"
    assert_same_contents(before, after, advice)


@requirement(
    "RPL-018",
    "The buffer MUST NOT keep references to the arrays that it was given.",
    reason="vectorised envs reuse their arrays, and a stored reference then shows a later instant",
    source="DLR-RM/stable-baselines3, common/buffers.py: 'Copy to avoid modification by reference'",
)
def test_added_arrays_are_copied(impl: Implementation) -> None:
    collector = Collector(impl, [8])
    replay = collector.replay(capacity=64)
    collector.step(replay, steps=24, reuse_arrays=True)
    batch = draw(replay, 200)
    arrays = {"actions": batch.actions, "rewards": batch.rewards}
    arrays |= {f"observations' {key}": array for key, array in batch.observations.items()}
    arrays |= {f"next observations' {key}": array for key, array in batch.next_observations.items()}
    for what, array in arrays.items():
        lost = float((array == REUSED).reshape(len(array), -1).all(axis=1).mean())
        assert lost == 0, f"{lost:.0%} of the {what} changed when arrays that had been added were reused: copy in add()"


@requirement(
    "RPL-019",
    "An episode that is cut off by a reset without a done MUST NOT leave a transition across the cut.",
    reason="a resume or a crashed worker resets envs mid-episode: the last frame would seem to lead to a reset",
    source="DLR-RM/stable-baselines3#1542; chapter section 9.14",
)
def test_cut_episode_leaves_no_bogus_transition(impl: Implementation) -> None:
    length = 6
    collector = Collector(impl, [length, length])
    replay = collector.replay(capacity=8 * length)
    for attempt in range(60):  # cuts at every place of the ring
        collector.step(replay, steps=1 + attempt % 5)
        for index in range(2):
            collector.cut(index)
        collector.step(replay, steps=length)
        batch = draw(replay, 40)
        reached = instants(batch.next_observations["achieved_goal"])
        for start, end in zip(sampled_instants(batch), reached, strict=True):
            assert start[:2] == end[:2], (
                f"the transition at {name(start)}, where the env was reset without a done, leads to {name(end)}: "
                "start a new episode when the observation is not the last next observation"
            )
            collector.transition(start)


@requirement(
    "RPL-020",
    "Transitions MUST be drawn from complete episodes only.",
    reason="of an open episode only near goals are known, so that its transitions would be relabelled with those alone",
    source=SB3_HER + "; chapter section 9.14",
    profile=Profile.CHAPTER,
)
def test_open_episodes_are_not_drawn(impl: Implementation) -> None:
    for collector, replay in wrapping(impl, lengths=(5, 6, 7), rounds=12):
        for instant in sampled_instants(draw(replay, 100)):
            assert instant[:2] in collector.final_steps, (
                f"the transition at {name(instant)} was drawn before its episode was complete: wait for its end"
            )


@requirement(
    "RPL-021",
    "With 84x84x3 frames in stacks of 4, the storage MUST take at most 22,000 bytes a transition, for 1, 4 and 8 envs.",
    reason="two whole stacks a transition take 169,344 bytes: 85 GB for 500,000 transitions instead of 11",
    source=MEMORY_SECTION,
    profile=Profile.CHAPTER,
    capability=Capability.FRAME_DEDUPLICATION,
)
@pytest.mark.parametrize("n_envs", [1, 4, 8])
def test_bytes_a_transition(impl: Implementation, n_envs: int) -> None:
    collector, capacity = Collector(impl, [50] * n_envs, size=84), 400
    replay = collector.replay(capacity=capacity)
    for steps in (0, capacity // n_envs):
        collector.step(replay, steps=steps)
        cost = replay.nbytes() / capacity
        assert cost <= 22_000, (
            f"{cost:,.0f} bytes a transition with {n_envs} envs after {steps} steps of each: store every frame once"
        )


@requirement(
    "RPL-022",
    "Memory MUST really be claimed at construction, as much of it as nbytes() says.",
    reason="zeros that are allocated lazily hide that the machine is too small until hours into a run",
    source="DLR-RM/stable-baselines3#1936",
    profile=Profile.CHAPTER,
    capability=Capability.FRAME_DEDUPLICATION,
)
def test_memory_is_claimed_at_construction(impl: Implementation) -> None:
    collector, process = Collector(impl, [50, 50], size=84), psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    replay = collector.replay(capacity=4_600)
    claimed, said = process.memory_info().rss - before, replay.nbytes()
    assert claimed >= 0.9 * said, (
        f"nbytes() is {said / 1e6:.0f} MB but construction took {claimed / 1e6:.0f} MB: touch every page"
    )
    assert claimed <= 1.2 * said, (
        f"construction took {claimed / 1e6:.0f} MB but nbytes() is {said / 1e6:.0f} MB: count every array"
    )


@requirement(
    "RPL-023",
    "The work of sample() MUST NOT grow with the number of stored transitions.",
    reason="a scan of the whole buffer for what is valid costs more than the update itself at 500,000 transitions",
    source=SB3_HER + ": flatnonzero over the buffer at every sample()",
    profile=Profile.CHAPTER,
)
def test_sampling_work_is_independent_of_size(impl: Implementation) -> None:
    work: list[tuple[float, float]] = []
    for capacity in (400, 4_000):
        collector = Collector(impl, [50] * 4)
        replay = collector.replay(capacity=capacity, n_sampled_goal=4)
        collector.step(replay, steps=capacity // 4)
        work.append(
            (median(memory_of_sample(replay) for _ in range(15)), median(lines_of_sample(replay) for _ in range(15)))
        )
    (memory, lines), (more_memory, more_lines) = work
    assert more_memory < 1.5 * memory, (
        f"sample(2) allocates {memory:,.0f} bytes with 400 transitions stored and {more_memory:,.0f} with 4,000: "
        "keep the bounds of what is valid instead of scanning for it"
    )
    assert more_lines < 1.5 * lines, (
        f"sample(2) executes {lines:,.0f} lines with 400 transitions stored and {more_lines:,.0f} with 4,000: "
        "keep the bounds of what is valid instead of looping for it"
    )


def memory_of_sample(replay: ReplayProbe) -> int:
    """Bytes that one draw of two transitions takes at its peak, NumPy's included."""
    tracemalloc.start()
    replay.sample(2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def lines_of_sample(replay: ReplayProbe) -> int:
    """Lines of Python that one draw of two transitions executes."""
    lines = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    former = sys.gettrace()
    sys.settrace(count)
    try:
        replay.sample(2)
    finally:
        sys.settrace(former)
    return lines


@requirement(
    "RPL-024",
    "A fresh buffer that loads what another one saved MUST offer the same transitions, also of a wrapped ring.",
    reason="a resume with another buffer than the one that was left is a confound of every curve behind it",
    source="chapter section 9.14",
)
def test_saved_buffer_comes_back(impl: Implementation, tmp_path: Path) -> None:
    *_, (collector, replay) = wrapping(impl, rounds=20)
    before = draw(replay, 30 * replay.size())
    restored = reloaded(collector, replay, tmp_path)
    assert restored.size() > 0, "the loaded buffer is empty: save the storage and its counters"
    after = draw(restored, 30 * restored.size())
    saved, loaded = (
        {start for start in sampled_instants(batch) if start[:2] in collector.final_steps} for batch in (before, after)
    )
    gone, new = len(saved - loaded), len(loaded - saved)
    assert (gone, new) == (0, 0), (
        f"{gone} of {len(saved)} transitions are gone and {new} are new after save and load: "
        "save what tells which episodes are whole"
    )
    assert_same_contents(before, after, "save and load every array in its own order")


@requirement(
    "RPL-025",
    "A loaded buffer MUST go on with envs that start anew: take in whole episodes, and overwrite the oldest.",
    reason="a lost write position overwrites the newest episodes, and a half episode is joined to a new one",
    source="DLR-RM/stable-baselines3#1542",
)
def test_loaded_buffer_goes_on(impl: Implementation, tmp_path: Path) -> None:
    *_, (collector, replay) = wrapping(impl, rounds=20)
    restored = reloaded(collector, replay, tmp_path)
    for index in range(len(collector.envs)):
        collector.cut(index)
    newest = max(episodes_of(3, restored))
    collector.step(restored, steps=4)
    kept = newest in episodes_of(3, restored)
    assert kept, (
        "4 steps after load the newest episode is gone: restore the write position, so that the oldest goes first"
    )
    for _ in range(10):
        advice = "steps were added after load: restore the write position, and drop or close open episodes"
        assert_one_source(collector, draw(restored, 200), advice, source="episode")
        collector.step(restored, steps=2)


def episodes_of(env: int, replay: ReplayProbe) -> set[int]:
    """The episodes of an env that transitions are drawn from."""
    return {instant[1] for instant in sampled_instants(draw(replay, 30 * replay.size())) if instant[0] == env}


@requirement(
    "RPL-026",
    "A buffer of another capacity MUST either refuse what was saved or offer true transitions of it.",
    reason="a resume with another --buffer-size must not scramble a ring whose positions depend on its length",
    source="chapter section 9.14",
)
@pytest.mark.parametrize("episodes", [2, 3, 9])
def test_other_capacity_is_refused_or_right(impl: Implementation, tmp_path: Path, episodes: int) -> None:
    collector = Collector(impl, [5, 5])
    replay = collector.replay(capacity=40)
    collector.step(replay, steps=35)  # whole episodes: SB3 ends the one under way when it loads
    before = draw(replay, 30 * replay.size())
    replay.save(tmp_path / "replay")
    other = collector.replay(capacity=10 * episodes)
    try:
        other.load(tmp_path / "replay")
    except Exception:  # refused, in whichever words
        return
    if other.size() > 0:
        advice = (
            f"saved at a capacity of 40 and loaded at {10 * episodes}: refuse, or move every slot to its new position"
        )
        after = draw(other, 300)
        new = len(set(sampled_instants(after)) - set(sampled_instants(before)))
        assert new == 0, f"{new} transitions are drawn that were not there, {advice}"
        assert_same_contents(before, after, advice)


def reloaded(collector: Collector, replay: ReplayProbe, folder: Path) -> ReplayProbe:
    """What a fresh buffer of the same make reads."""
    replay.save(folder / "replay")
    longest, n_envs = max(collector.lengths), len(collector.lengths)
    restored = collector.replay(capacity=4 * longest * n_envs)
    restored.load(folder / "replay")
    return restored


@requirement(
    "RPL-027",
    "Whatever the order of steps, ends, cuts and draws, a sampled transition MUST be one that was added, bit by bit.",
    reason="the bugs that remain sit where two of them meet, such as a cut just before the ring wraps",
    source="zarr-developers/zarr-python, zarr/testing/stateful.py",
)
def test_replay_equals_a_plain_record(impl: Implementation) -> None:
    length = 4

    class Replay(RuleBasedStateMachine):
        """Drives a buffer and checks it against the collector's record."""

        @initialize(n_envs=st.integers(1, 3), frame_stack=st.sampled_from([1, 3, 4]), episodes=st.integers(2, 4))
        def start(self, n_envs: int, frame_stack: int, episodes: int) -> None:
            self.collector = Collector(impl, [length] * n_envs, frame_stack=frame_stack, reward=telling_reward)
            self.capacity = n_envs * episodes * length
            self.replay = self.collector.replay(capacity=self.capacity)

        @rule(steps=st.integers(1, 2 * length))
        def step(self, steps: int) -> None:
            self.collector.step(self.replay, steps=steps)

        @rule(index=st.integers(0, 2), ends=st.sampled_from(["terminated", "truncated", "both"]))
        def end_at_the_next_step(self, index: int, ends: str) -> None:
            task = self.collector.tasks[index % len(self.collector.tasks)]
            task.episode_length, task.ends = task.steps + 1, ends

        @rule(index=st.integers(0, 2))
        def cut(self, index: int) -> None:
            self.collector.cut(index % len(self.collector.tasks))

        @rule()
        def sample(self) -> None:
            if self.replay.size() > 0:
                assert_exact(self.collector, draw(self.replay, 24), "compare with the steps that lead here")

        @invariant()
        def size_stays_in_bounds(self) -> None:
            size = self.replay.size()
            assert 0 <= size <= self.capacity, f"size() is {size} with a capacity of {self.capacity}"

    run_state_machine_as_test(Replay, settings=settings(stateful_step_count=20, report_multiple_bugs=False))
