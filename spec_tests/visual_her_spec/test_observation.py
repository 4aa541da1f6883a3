"""OBS on an environment whose pixels name their instant: what is in an observation, its order, its moments."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.vec_env import DummyVecEnv

from visual_her_spec.catalogue import Level, requirement
from visual_her_spec.fake_env import FakeEnv, frame_at, vectors_at
from visual_her_spec.protocol import Array, GoalMode, Implementation, Observations

STRUCTURE = "chapter section 9.3"
WRAPPING = "chapter section 9.9"
GOAL_KEYS: dict[GoalMode, set[str]] = {
    "none": set(),
    "desired": {"desired_goal"},
    "both": {"achieved_goal", "desired_goal"},
}


def play(env: gym.Env[Any, Any], task: FakeEnv, episodes: int = 3) -> Iterator[dict[str, Array]]:
    """Every observation of some episodes; while one is looked at, ``task`` stands at its instant."""
    for _ in range(episodes):
        yield env.reset()[0]
        for _ in range(task.episode_length):
            yield env.step(np.zeros(2, np.float32))[0]


def instants(observation: Observations, task: FakeEnv) -> list[tuple[int, int] | None]:
    """The (episode, step) that each frame of the stack shows, in its order; ``None`` for what was never drawn."""
    drawn = {
        frame_at(task.index, episode, step, task.size).transpose(2, 0, 1).tobytes(): (episode, step)
        for episode in range(task.episode + 1)
        for step in range(task.episode_length + 1)
    }
    pixels = np.asarray(observation["pixels"])
    return [drawn.get(np.ascontiguousarray(pixels[at : at + 3]).tobytes()) for at in range(0, len(pixels), 3)]


def full_stack(task: FakeEnv, episode: int, step: int, frame_stack: int) -> Array:
    """What ``pixels`` have to be, (3 * frame_stack, size, size)."""
    steps = [max(step - age, 0) for age in reversed(range(frame_stack))]
    return np.concatenate([frame_at(task.index, episode, at, task.size).transpose(2, 0, 1) for at in steps])


def agree(found: Array, expected: Array) -> bool:
    """Same shape and values, up to the precision of float32."""
    return np.shape(found) == np.shape(expected) and bool(np.allclose(found, expected, rtol=1e-6, atol=1e-6))


def differing(found: Observations, expected: Observations) -> list[str]:
    """The keys of ``expected`` of which ``found`` has another value."""
    return [key for key in expected if not agree(found[key], expected[key])]


class Recorder(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps what the task returned last, beneath the wrapper under test."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Also keeps the state."""
        self.state, info = self.env.reset(seed=seed, options=options)
        return self.state, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Also keeps everything returned."""
        self.returned = self.env.step(action)
        self.state = self.returned[0]
        return self.returned


class OneBufferEnv(FakeEnv):
    """Draws every picture into the same array, as renderers may."""

    def render(self) -> Array:
        """``frame_at`` this instant, valid until the next call."""
        if not hasattr(self, "picture"):
            self.picture = np.empty((self.size, self.size, 3), np.uint8)
        self.picture[:] = super().render()
        return self.picture


@requirement(
    "OBS-001",
    "An observation MUST hold pixels, proprioception and exactly the goals that goal_mode grants, as its space says.",
    reason="a goal that was not granted is the puck's exact position, so that success says nothing about sight",
    source=STRUCTURE,
)
@pytest.mark.parametrize("goal_mode", ["none", "desired", "both"])
def test_goal_mode_decides_the_keys(impl: Implementation, goal_mode: GoalMode) -> None:
    task = FakeEnv()
    env = impl.make_env(task, goal_mode=goal_mode, frame_stack=3, image_size=task.size)
    expected = {"pixels", "proprioception"} | GOAL_KEYS[goal_mode]
    space: Any = env.observation_space
    for where, keys in (
        ("the space", set(space.spaces)),
        *(("an observation", set(seen)) for seen in play(env, task, 1)),
    ):
        assert keys == expected, (
            f"with goal_mode={goal_mode!r} {where} lacks {sorted(expected - keys) or 'nothing'} and has "
            f"{sorted(keys - expected) or 'nothing'} too much: take the goal keys from goal_mode"
        )


@requirement(
    "OBS-002",
    "Every observation MUST be contained in the observation space, with its shapes and dtypes.",
    reason="replay and networks are built from the space, and cast or misread what does not match it",
    source="Farama-Foundation/Gymnasium: utils/env_checker.py",
)
@given(frame_stack=st.integers(1, 5), size=st.integers(4, 20), goal_mode=st.sampled_from(["none", "desired", "both"]))
def test_observations_are_in_the_space(impl: Implementation, frame_stack: int, size: int, goal_mode: GoalMode) -> None:
    task = FakeEnv(size=size)
    env = impl.make_env(task, goal_mode=goal_mode, frame_stack=frame_stack, image_size=size)
    for observation in play(env, task, 2):
        assert_in_space(observation, env.observation_space)


def assert_in_space(observation: Observations, space: Any, task: str = "the task") -> None:
    """Shapes, dtypes and bounds, key by key."""
    for key, box in space.spaces.items():
        value = observation[key]
        found = (value.shape, value.dtype)
        assert found == (box.shape, box.dtype), (
            f"{key} of {task} is {found[0]} {found[1]} where the observation space says {box.shape} {box.dtype}: "
            "make them agree"
        )
        assert box.contains(value), (
            f"{key} of {task} leaves the bounds of its space, it reaches from {value.min():.3g} to {value.max():.3g}: "
            "take the bounds from the task"
        )


@requirement(
    "OBS-003",
    "Pixels MUST be uint8 (3 * frame_stack, height, width): whole frames one after the other, channels first, RGB.",
    reason="a frame that is reshaped instead of transposed has the right shape and no picture in it",
    source=STRUCTURE,
)
@pytest.mark.parametrize("frame_stack", [1, 3])
def test_pixels_are_frames_channels_first(impl: Implementation, frame_stack: int) -> None:
    task = FakeEnv()
    env = impl.make_env(task, frame_stack=frame_stack, image_size=task.size)
    expected = (3 * frame_stack, task.size, task.size)
    for observation in play(env, task, 1):
        pixels = observation["pixels"]
        assert pixels.dtype == np.uint8, f"pixels are {pixels.dtype}: keep them uint8 and scale them in the network"
        assert pixels.shape == expected, f"pixels are {pixels.shape}, not {expected}: stack frames along the channels"
        unknown = sum(instant is None for instant in instants(observation, task))
        assert not unknown, (
            f"{unknown} of {frame_stack} frames at step {task.steps} are no picture that the task has drawn: "
            "transpose each to (3, height, width), keep R, G, B, and join whole frames"
        )


@requirement(
    "OBS-004",
    "Frames MUST be those of consecutive steps, the oldest first.",
    reason="velocity is in the order of the frames; replay rebuilds stacks in this order",
    source="Mnih et al. 2015, doi:10.1038/nature14236",
)
def test_frames_are_in_order(impl: Implementation) -> None:
    task = FakeEnv()
    env = impl.make_env(task, frame_stack=3, image_size=task.size)
    for observation in play(env, task, 2):
        if task.steps < 2:
            continue
        steps = [None if instant is None else instant[1] for instant in instants(observation, task)]
        expected = [task.steps - 2, task.steps - 1, task.steps]
        assert steps != expected[::-1], f"frames are newest first, {steps} at step {task.steps}: put the oldest first"
        assert steps == expected, (
            f"frames are of steps {steps} at step {task.steps}, not {expected}: append one frame a step"
        )


@requirement(
    "OBS-005",
    "A reset MUST fill the stack with the episode's first frame.",
    reason="a black frame is seen nowhere else, and replay that rebuilds stacks repeats the first frame",
    source=WRAPPING,
)
@pytest.mark.parametrize("frame_stack", [1, 3])
def test_reset_fills_the_stack(impl: Implementation, frame_stack: int) -> None:
    task = FakeEnv()
    env = impl.make_env(task, frame_stack=frame_stack, image_size=task.size)
    for observation in play(env, task):
        if task.steps >= frame_stack:
            continue
        found = Counter(instants(observation, task))[(task.episode, 0)]
        expected = frame_stack - task.steps
        assert found == expected, (
            f"{task.steps} steps after a reset {found} of {frame_stack} frames are the episode's first one, "
            f"not {expected}: fill the whole stack with it at reset"
        )


@requirement(
    "OBS-006",
    "No frame of one episode MUST appear in another one's observations.",
    reason="a puck that jumps between two frames teaches a motion that never was",
    source=WRAPPING,
)
def test_no_frame_crosses_an_episode(impl: Implementation) -> None:
    task = FakeEnv()
    env = impl.make_env(task, frame_stack=3, image_size=task.size)
    for observation in play(env, task):
        foreign = [at for at in instants(observation, task) if at is not None and at[0] != task.episode]
        assert not foreign, (
            f"step {task.steps} of episode {task.episode} shows {len(foreign)} frames of episode {foreign[-1][0]}: "
            "clear the stack at reset"
        )


@requirement(
    "OBS-007",
    "Pixels and vectors MUST be of the same instant, on an episode's last step and right after a reset as well.",
    reason="pixels that lag a step behind pair every action with the wrong outcome",
    source=STRUCTURE,
)
@pytest.mark.parametrize("ends", ["truncated", "terminated"])
def test_pixels_and_vectors_are_of_one_instant(impl: Implementation, ends: str) -> None:
    task = FakeEnv(ends=ends)
    env = impl.make_env(task, frame_stack=3, image_size=task.size)
    for observation in play(env, task):
        now = (task.episode, task.steps)
        shown = instants(observation, task)
        assert now in shown, (
            f"at (episode, step) {now} the frames show {shown}: draw after the task has stepped or reset, "
            "before the observation is put together"
        )
        vectors = vectors_at(task.index, *now)
        wrong = differing(observation, {"proprioception": vectors.pop("observation"), **vectors})
        assert not wrong, (
            f"at (episode, step) {now} {wrong[0]} is not what the task returned there: "
            "take it from the same step as the pixels"
        )


@requirement(
    "OBS-008",
    "An observation MUST never change after it was returned.",
    reason="a learner stores the previous observation with the next one; a live view makes the two equal",
    source="Farama-Foundation/Gymnasium: wrappers copy their frame queue",
)
@pytest.mark.parametrize("frame_stack", [1, 3])
def test_returned_observations_stay(impl: Implementation, frame_stack: int) -> None:
    task = FakeEnv()
    env = impl.make_env(task, frame_stack=frame_stack, image_size=task.size)
    kept = [(observation, copy.deepcopy(observation)) for observation in play(env, task)]
    for index, (observation, as_returned) in enumerate(kept):
        changed = differing(observation, as_returned)
        assert not changed, (
            f"{changed[0]} of observation {index} changed after it was returned: return copies, not buffers"
        )


@requirement(
    "OBS-009",
    "Writing into a returned observation MUST NOT change a later one.",
    reason="a learner that augments in place would otherwise train on its own scribbles",
    source="Farama-Foundation/Gymnasium: wrappers copy their frame queue",
)
@pytest.mark.parametrize("frame_stack", [1, 3])
def test_writing_into_an_observation_changes_no_later_one(impl: Implementation, frame_stack: int) -> None:
    tasks = FakeEnv(), FakeEnv()
    left_alone, written = (impl.make_env(task, frame_stack=frame_stack, image_size=task.size) for task in tasks)
    pairs = zip(play(left_alone, tasks[0]), play(written, tasks[1]), strict=True)
    for index, (expected, observation) in enumerate(pairs):
        changed = differing(observation, expected)
        assert not changed, f"writing into observation {index - 1} changed {changed[0]} of the next: return copies"
        for value in observation.values():
            if value.flags.writeable:
                value[:] = 77


@requirement(
    "OBS-010",
    "Frames SHOULD survive a task that draws every picture into the same array.",
    reason="renderers may reuse their buffer, and a stack of references then shows the present only",
    source=WRAPPING,
    level=Level.SHOULD,
)
def test_a_reused_render_buffer_does_no_harm(impl: Implementation) -> None:
    tasks = FakeEnv(), OneBufferEnv()
    fresh, reused = (play(impl.make_env(task, frame_stack=3, image_size=task.size), task) for task in tasks)
    for expected, observation in zip(fresh, reused, strict=True):
        harmed = differing(observation, expected)
        assert not harmed, (
            f"at step {tasks[1].steps} older frames were overwritten by the task's next picture: "
            "copy what render() returns"
        )


@requirement(
    "OBS-012",
    "Reward, terminated, truncated and info MUST pass through unchanged.",
    reason="a truncation that is reported as a termination stops the bootstrap",
    source="Pardo et al. 2018, arXiv:1712.00378",
)
@pytest.mark.parametrize("ends", ["truncated", "terminated"])
def test_the_rest_of_a_step_passes_through(impl: Implementation, ends: str) -> None:
    fake = FakeEnv(ends=ends)
    task = Recorder(fake)
    env = impl.make_env(task, image_size=fake.size)
    env.reset()
    for step in range(1, fake.episode_length + 1):
        returned, expected = env.step(np.zeros(2, np.float32))[1:], task.returned[1:]
        for name, found, wanted in zip(("reward", "terminated", "truncated"), returned, expected, strict=False):
            assert found == wanted, f"{name} is {found} at step {step} where the task said {wanted}: pass it through"
        lost = set(expected[3]) - set(returned[3])
        assert not lost, f"info lost {sorted(lost)} at step {step}: pass the task's info through"


@requirement(
    "OBS-013",
    "Under an auto-resetting vector env the terminal observation MUST be the true final stack, and the one returned "
    "with it the new episode's first frame throughout.",
    reason="a next observation from after the reset makes every episode end in a jump",
    source="https://github.com/vwxyzjn/cleanrl/issues/545",
)
def test_autoreset_keeps_the_final_stack(impl: Implementation) -> None:
    task = FakeEnv(episode_length=99)
    envs = DummyVecEnv([lambda: impl.make_env(gym.wrappers.TimeLimit(task, 5), frame_stack=3, image_size=task.size)])
    envs.reset()
    finals = []
    for _ in range(2 * 5 + 1):
        before = task.episode
        observations, _, dones, infos = envs.step(np.zeros((1, 2), np.float32))
        assert isinstance(observations, dict)
        if dones[0]:
            finals.append((before, infos[0]["terminal_observation"]))
            filled = agree(observations["pixels"][0], full_stack(task, task.episode, 0, 3))
            assert filled, (
                "the observation after an automatic reset is not the new episode's first frame throughout: "
                "fill the stack at reset"
            )
    assert len(finals) == 2, f"{len(finals)} episodes of 5 steps ended in 11 steps, not 2: pass truncated through"
    for episode, final in finals:
        vectors = {"achieved_goal": vectors_at(0, episode, 5)["achieved_goal"]}
        wrong = differing(final, {"pixels": full_stack(task, episode, 5, 3), **vectors})
        assert not wrong, (
            f"{wrong[0]} of terminal_observation is not that of the episode's last step: "
            "return copies, and draw in step()"
        )


@requirement(
    "OBS-014",
    "Two environments MUST share no frames.",
    reason="a stack that belongs to the class or to a default argument mixes them up",
    source=WRAPPING,
)
def test_environments_share_no_frames(impl: Implementation) -> None:
    tasks = [FakeEnv(index) for index in range(2)]
    envs = [impl.make_env(task, frame_stack=3, image_size=task.size) for task in tasks]
    plays = [play(env, task) for env, task in zip(envs, tasks, strict=True)]
    for both in zip(*plays, strict=True):
        for index, observation in enumerate(both):
            foreign = sum(instant is not None for instant in instants(observation, tasks[1 - index]))
            assert not foreign, (
                f"env {index} shows {foreign} frames of env {1 - index}: give each env a stack of its own"
            )
