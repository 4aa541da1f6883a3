"""What the tests of encoders and agents share: spaces, random batches, and by how much parameters differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from visual_her_spec.protocol import AgentProbe, Batch, GoalMode, Implementation

Array = npt.NDArray[Any]
Parameters = dict[str, dict[str, Array]]


def fetch_space(size: int = 84, frame_stack: int = 4) -> spaces.Dict:
    """The chapter's observation space."""
    return spaces.Dict(
        {
            "pixels": spaces.Box(0, 255, (3 * frame_stack, size, size), np.uint8),
            "proprioception": spaces.Box(-np.inf, np.inf, (10,), np.float64),
            "achieved_goal": spaces.Box(-np.inf, np.inf, (3,), np.float64),
            "desired_goal": spaces.Box(-np.inf, np.inf, (3,), np.float64),
        }
    )


SMALL_SPACE = fetch_space(36)  # the smallest picture that NatureCNN takes, which an implementation may use
ACTION_SPACE = spaces.Box(-1.0, 1.0, (4,), np.float32)


def make_agent(impl: Implementation, *, goal_mode: GoalMode = "both", seed: int = 0) -> AgentProbe:
    """An untrained agent for ``SMALL_SPACE`` and ``ACTION_SPACE``."""
    return impl.make_agent(SMALL_SPACE, ACTION_SPACE, goal_mode=goal_mode, seed=seed)


def random_observations(
    size: int, rng: np.random.Generator, *, spread: float = 1.0, space: spaces.Dict = SMALL_SPACE
) -> dict[str, Array]:
    """``size`` observations: a bright square somewhere in dark noise, vectors from a normal distribution.

    Args:
        size: B.
        rng: source of everything.
        spread: standard deviation of the vectors.
        space: a Dict with ``pixels`` and vectors.
    """
    observations: dict[str, Array] = {}
    for key, box in space.spaces.items():
        shape = (size, *(box.shape or ()))
        observations[key] = rng.integers(0, 64, shape, np.uint8) if key == "pixels" else rng.normal(0, spread, shape)
    *_, height, width = observations["pixels"].shape
    for picture in observations["pixels"]:
        row, column = rng.integers(height - 6), rng.integers(width - 6)
        picture[:, row : row + 6, column : column + 6] = 255
    return observations


def random_batch(
    size: int = 16, *, seed: int = 0, terminated: float = 1.0, reward: float | None = None, spread: float = 1.0
) -> Batch:
    """``size`` unrelated transitions of ``SMALL_SPACE``.

    Args:
        size: B.
        seed: of everything.
        terminated: of each; 1.0 makes a critic step independent of sampled actions, since nothing is bootstrapped.
        reward: of each; 0 or -1 at random if ``None``.
        spread: standard deviation of the vectors.
    """
    rng = np.random.default_rng(seed)
    return Batch(
        observations=random_observations(size, rng, spread=spread),
        actions=rng.uniform(-1, 1, (size, 4)).astype(np.float32),
        next_observations=random_observations(size, rng, spread=spread),
        rewards=(-rng.integers(0, 2, size) if reward is None else np.full(size, reward)).astype(np.float32),
        terminated=np.full(size, terminated, np.float32),
    )


def tile(observations: Mapping[str, Array], index: int, times: int) -> dict[str, Array]:
    """One of the observations, ``times`` times: averages over it are averages over sampled actions."""
    return {key: np.repeat(value[index : index + 1], times, axis=0) for key, value in observations.items()}


def changes(before: Parameters, after: Parameters, role: str) -> dict[str, float]:
    """Name -> largest absolute change, of the parameters of one role."""
    assert before.get(role), f"parameters() shows nothing for {role!r}: report its tensors under that role"
    return {name: float(np.abs(after[role][name] - value).max()) for name, value in before[role].items()}


def still(before: Parameters, after: Parameters, role: str) -> list[str]:
    """The parameters of a role that did not change at all."""
    return [name for name, change in changes(before, after, role).items() if change == 0]


def largest_change(before: Parameters, after: Parameters, *roles: str) -> tuple[str, float]:
    """``role/name`` of the parameter that changed most, and by how much."""
    every = {f"{role}/{name}": c for role in roles for name, c in changes(before, after, role).items()}
    name = max(every, key=lambda key: np.inf if np.isnan(every[key]) else every[key])
    return name, every[name]


def step_gap(start: Parameters, one: Parameters, other: Parameters, *roles: str) -> float:
    """Mean distance between two outcomes of a step from ``start``, as a fraction of the mean length of the step.

    Unlike an equality it forgives rounding, which an adaptive optimizer blows up for gradients of about nothing.
    """
    pairs = [(start[role][n], one[role][n], other[role][n]) for role in roles for n in start[role]]
    length = sum(float(np.abs(b - a).sum()) for a, b, _ in pairs)
    assert length > 0, f"a step moved no parameter of {' and '.join(roles)}: nothing is optimised"
    return sum(float(np.abs(b - c).sum()) for _, b, c in pairs) / length


def listed(names: Sequence[str]) -> str:
    """The first three names, and how many there are."""
    return f"{len(names)} ({', '.join(list(names)[:3])}{', ...' if len(names) > 3 else ''})"
