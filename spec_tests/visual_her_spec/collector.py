"""A record of what environments returned, kept beside a replay buffer, and the comparisons with what it samples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from visual_her_spec.fake_env import FakeEnv, compute_reward
from visual_her_spec.protocol import Batch, Implementation, Observations, ReplayProbe, RewardFunction

Array = npt.NDArray[Any]
Instant = tuple[int, int, int]
"""Env, episode and step: what every ``achieved_goal`` of a ``FakeEnv`` tells."""
Side = Literal["observation", "next_observation"]

FRAME_CHANNELS = 3
REUSED = 77
"""What arrays are overwritten with."""
SB3_HER = "DLR-RM/stable-baselines3, her/her_replay_buffer.py"
MEMORY_SECTION = "chapter section 9.13, memory"


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One step as the env returned it; ``moment`` counts the vectorised steps."""

    observation: Observations
    next_observation: Observations
    action: Array
    reward: float
    terminated: bool
    moment: int


class Collector:
    """Steps wrapped ``FakeEnv``s side by side, feeds replay buffers and records every transition itself.

    Args:
        impl: makes the wrapped envs and the buffers.
        lengths: steps of an episode, one entry an env.
        ends: how episodes end.
        frame_stack: frames of an observation.
        size: side of the pixels.
        reward: the task's reward.
    """

    def __init__(
        self,
        impl: Implementation,
        lengths: Sequence[int],
        *,
        ends: str = "truncated",
        frame_stack: int = 4,
        size: int = 12,
        reward: RewardFunction = compute_reward,
    ) -> None:
        self.impl, self.lengths, self.reward = impl, list(lengths), reward
        self.tasks = [
            FakeEnv(index, episode_length=length, ends=ends, size=size) for index, length in enumerate(lengths)
        ]
        self.envs = [
            impl.make_env(task, goal_mode="both", frame_stack=frame_stack, image_size=size) for task in self.tasks
        ]
        self.current = [env.reset()[0] for env in self.envs]
        self.transitions: dict[Instant, Transition] = {}
        self.final_steps: dict[tuple[int, int], int] = {}
        """The last step of each complete episode: (env, episode) -> step."""
        self.frames: dict[bytes, Instant] = {}
        """Which instant a frame shows."""
        self.actions: dict[bytes, Instant] = {}
        """At which instant an action was taken."""
        self.moment = 0
        self._record_frames(self.current)
        self._rng = np.random.default_rng(0)

    @property
    def observation_space(self) -> spaces.Dict:
        """That of each wrapped env."""
        space = self.envs[0].observation_space
        assert isinstance(space, spaces.Dict)
        return space

    @property
    def action_space(self) -> spaces.Box:
        """That of each env."""
        space = self.tasks[0].action_space
        assert isinstance(space, spaces.Box)
        return space

    def replay(self, *, capacity: int, n_sampled_goal: int = 0) -> ReplayProbe:
        """An empty buffer for these envs."""
        return self.impl.make_replay(
            self.observation_space,
            self.action_space,
            capacity=capacity,
            n_envs=len(self.envs),
            n_sampled_goal=n_sampled_goal,
            compute_reward=self.reward,
            episode_length=max(self.lengths),
        )

    def step(self, *replays: ReplayProbe, steps: int = 1, reuse_arrays: bool = False) -> None:
        """Steps every env, adds the transitions with their true last frame, and resets where an episode ended.

        Args:
            replays: all of them are given the same.
            steps: vectorised steps.
            reuse_arrays: whether the arrays that were added are overwritten at once, as a vectorised env may do.
        """
        for _ in range(steps):
            actions = self._rng.uniform(-1, 1, (len(self.envs), 2)).astype(np.float32)
            results = [env.step(action)[:4] for env, action in zip(self.envs, actions, strict=True)]
            following = [result[0] for result in results]
            rewards = [float(self.reward(goals["achieved_goal"], goals["desired_goal"], {})) for goals in following]
            terminated, truncated = (np.array([result[at] for result in results], np.bool_) for at in (2, 3))
            for index, task in enumerate(self.tasks):
                self.transitions[index, task.episode, task.steps - 1] = Transition(
                    observation=self.current[index],
                    next_observation=following[index],
                    action=actions[index],
                    reward=rewards[index],
                    terminated=bool(terminated[index]),
                    moment=self.moment,
                )
                self.actions[actions[index].tobytes()] = index, task.episode, task.steps - 1
            self._record_frames(following)
            over = np.flatnonzero(terminated | truncated).tolist()
            before, after = stacked(self.current), stacked(following)
            outcome = actions.copy(), np.array(rewards, np.float32), terminated, truncated
            for replay in replays:
                replay.add(before, after, *outcome)
            if reuse_arrays:
                for array in (*before.values(), *after.values(), *outcome):
                    array[...] = REUSED
            self.current = following
            self.moment += 1
            for index in over:
                self.final_steps[index, self.tasks[index].episode] = self.tasks[index].steps
                self.cut(index)

    def cut(self, index: int) -> None:
        """Resets an env, whether its episode is over or not."""
        self.tasks[index].episode_length = self.lengths[index]
        self.current[index] = self.envs[index].reset()[0]
        self._record_frames(self.current)

    def transition(self, instant: Instant) -> Transition:
        """The recorded transition that starts at an instant."""
        found = self.transitions.get(instant)
        if found is None:
            raise AssertionError(
                f"a transition was sampled that starts at {name(instant)}, where none was ever added: "
                "draw only slots that hold the start of a transition, and store no step that only resets an env"
            )
        return found

    def _record_frames(self, observations: Sequence[Observations]) -> None:
        for observation, task in zip(observations, self.tasks, strict=True):
            self.frames[frames_of(observation["pixels"])[-1]] = task.index, task.episode, task.steps


def stacked(observations: Sequence[Observations]) -> dict[str, Array]:
    """Env first."""
    return {key: np.stack([observation[key] for observation in observations]) for key in observations[0]}


def draw(replay: ReplayProbe, count: int) -> Batch:
    """``count`` transitions in batches that no buffer is too small for."""
    assert replay.size() > 0, "size() is 0 although episodes are complete: count their transitions"
    parts: list[Batch] = []
    while count > 0:
        parts.append(replay.sample(min(count, replay.size(), 128)))
        count -= len(parts[-1].actions)

    def joined(sides: Sequence[dict[str, Array]]) -> dict[str, Array]:
        return {key: np.concatenate([side[key] for side in sides]) for key in sides[0]}

    return Batch(
        observations=joined([part.observations for part in parts]),
        actions=np.concatenate([part.actions for part in parts]),
        next_observations=joined([part.next_observations for part in parts]),
        rewards=np.concatenate([part.rewards.reshape(-1) for part in parts]),
        terminated=np.concatenate([part.terminated.reshape(-1) for part in parts]),
    )


def instants(goals: Array) -> list[Instant]:
    """Reads achieved goals, (B, 3): where each was achieved."""
    return [(env, episode, step) for step, episode, env in np.rint(goals).astype(int).tolist()]


def sampled_instants(batch: Batch) -> list[Instant]:
    """Where each transition of a batch starts."""
    return instants(batch.observations["achieved_goal"])


def name(instant: Instant) -> str:
    """For messages."""
    return "env {}, episode {}, step {}".format(*instant)


def telling_reward(achieved_goal: Array, desired_goal: Array, info: Any) -> Any:
    """Another whole number for each pair of instants, and for the same pair the other way round."""
    weights = np.array([1.0, 16.0, 1024.0])
    return -(np.asarray(achieved_goal, np.float64) @ weights + 3 * (np.asarray(desired_goal, np.float64) @ weights))


def frames_of(stack: Array) -> list[bytes]:
    """The frames of one stack, to be looked up."""
    return [stack[at : at + FRAME_CHANNELS].tobytes() for at in range(0, len(stack), FRAME_CHANNELS)]


def pixel_fault(sampled: Array, returned: Array) -> str | None:
    """What is wrong with a sampled stack of frames, if anything."""
    if sampled.shape != returned.shape or sampled.dtype != returned.dtype:
        return f"pixels are {sampled.dtype} {sampled.shape}, not {returned.dtype} {returned.shape}"
    wrong = np.flatnonzero((sampled != returned).any(axis=(1, 2)))
    if not len(wrong):
        return None
    depth, at = len(returned) // FRAME_CHANNELS, int(wrong[0]) // FRAME_CHANNELS
    corner = slice(FRAME_CHANNELS * at, FRAME_CHANNELS * (at + 1)), 0, 0  # a FakeEnv writes the instant there
    shown, expected = (name(tuple(pixels[corner].tolist())) for pixels in (sampled, returned))
    if shown == expected:
        return f"frame {at + 1} of {depth} has other pixels than the env returned"
    return f"frame {at + 1} of {depth} shows {shown}, where the env returned {expected}"


def assert_pixels(
    collector: Collector, batch: Batch, side: Side, advice: str, only: Callable[[Instant], bool] = lambda instant: True
) -> None:
    """The sampled stacks are the env's, bit by bit."""
    sampled = batch.observations if side == "observation" else batch.next_observations
    chosen = [(row, instant) for row, instant in enumerate(sampled_instants(batch)) if only(instant)]
    assert chosen, f"none of {len(batch.actions)} draws was a transition of the kind in question: draw uniformly"
    for row, instant in chosen:
        fault = pixel_fault(sampled["pixels"][row], getattr(collector.transition(instant), side)["pixels"])
        assert fault is None, f"{side} of the transition at {name(instant)}: {fault}: {advice}"


def assert_vectors(collector: Collector, batch: Batch, side: Side, advice: str) -> None:
    """The sampled vectors are the env's, up to float32."""
    sampled = batch.observations if side == "observation" else batch.next_observations
    for row, instant in enumerate(sampled_instants(batch)):
        returned = getattr(collector.transition(instant), side)
        for key in returned.keys() - {"pixels"}:
            error = float(np.abs(sampled[key][row] - returned[key]).max())
            close = np.allclose(sampled[key][row], returned[key], rtol=1e-6, atol=1e-12)
            assert close, f"{key} in the {side} of the transition at {name(instant)} is off by {error:.3g}: {advice}"


def assert_outcomes(
    collector: Collector, batch: Batch, field: Literal["action", "reward", "terminated"], advice: str
) -> None:
    """Actions, rewards or terminations are those of their transition."""
    sampled = {"action": batch.actions, "reward": batch.rewards, "terminated": batch.terminated}[field]
    for row, instant in enumerate(sampled_instants(batch)):
        expected = np.asarray(getattr(collector.transition(instant), field), np.float64)
        close = np.allclose(sampled[row], expected, rtol=1e-6)
        taken = collector.actions.get(np.asarray(sampled[row], np.float32).tobytes()) if field == "action" else None
        found = f"the one of {name(taken)}" if taken else f"{sampled[row]}, not {expected}"
        assert close, f"{field} of the transition at {name(instant)} is {found}: {advice}"


def assert_exact(collector: Collector, batch: Batch, advice: str) -> None:
    """Everything of every drawn transition is as recorded."""
    sides: tuple[Side, Side] = ("observation", "next_observation")
    for side in sides:
        assert_vectors(collector, batch, side, advice)
        assert_pixels(collector, batch, side, advice)
    assert_outcomes(collector, batch, "action", advice)
    assert_outcomes(collector, batch, "reward", advice)
    assert_outcomes(collector, batch, "terminated", advice)


def assert_one_source(collector: Collector, batch: Batch, advice: str, *, source: Literal["env", "episode"]) -> None:
    """All parts of a drawn transition are of one env, or of one of its episodes, wherever in it they belong."""
    depth = 1 if source == "env" else 2
    following = instants(batch.next_observations["achieved_goal"])
    for row, start in enumerate(sampled_instants(batch)):
        collector.transition(start)
        at = f"the transition at {name(start)}"
        own = following[row][:depth] == start[:depth]
        assert own, f"{at} leads to {name(following[row])}: {advice}"
        found = collector.actions.get(batch.actions[row].astype(np.float32).tobytes(), start)
        own = found[:depth] == start[:depth]
        assert own, f"{at} has the action of {name(found)}: {advice}"
        for stack in (batch.observations["pixels"][row], batch.next_observations["pixels"][row]):
            for frame in frames_of(stack):
                found = collector.frames.get(frame, start)
                own = found[:depth] == start[:depth]
                assert own, f"{at} shows a frame of {name(found)}: {advice}"


def contents(batch: Batch) -> dict[Instant, dict[str, Array]]:
    """All that was sampled of each transition."""
    fields = {f"observation's {key}": array for key, array in batch.observations.items()}
    fields |= {f"next observation's {key}": array for key, array in batch.next_observations.items()}
    fields |= {"action": batch.actions, "reward": batch.rewards, "termination": batch.terminated}
    return {
        start: {field: array[row] for field, array in fields.items()}
        for row, start in enumerate(sampled_instants(batch))
    }


def assert_same_contents(before: Batch, after: Batch, advice: str, *, leave_out: Collection[str] = ()) -> None:
    """Transitions that are in both batches have the same contents."""
    known = contents(before)
    for start, fields in contents(after).items():
        for field in fields.keys() - set(leave_out) if start in known else ():
            same = np.array_equal(fields[field], known[start][field])
            assert same, f"the {field} of the transition at {name(start)} changed: {advice}"


def filled(
    impl: Implementation, *, lengths: Sequence[int] = (8,), steps: int = 40, **options: Any
) -> tuple[Collector, ReplayProbe]:
    """A buffer that nothing was overwritten in."""
    collector = Collector(impl, lengths, **options)
    replay = collector.replay(capacity=2 * steps * len(lengths))
    collector.step(replay, steps=steps)
    return collector, replay


def wrapping(
    impl: Implementation, *, lengths: Sequence[int] = (1, 4, 5, 6), rounds: int = 25, n_sampled_goal: int = 0
) -> Iterator[tuple[Collector, ReplayProbe]]:
    """A small buffer at many moments while it is filled five times over, with episodes of unequal lengths."""
    collector = Collector(impl, lengths)
    longest = max(lengths)
    replay = collector.replay(capacity=4 * longest * len(lengths), n_sampled_goal=n_sampled_goal)
    collector.step(replay, steps=longest)
    for _ in range(rounds):
        collector.step(replay, steps=5)
        yield collector, replay
