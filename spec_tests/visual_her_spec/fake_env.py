"""A tiny deterministic goal environment whose pixels name their instant, so that checks can be bit-exact."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

Array = npt.NDArray[Any]

TOLERANCE = 0.5


def frame_at(env: int, episode: int, step: int, size: int) -> Array:
    """The (size, size, 3) uint8 picture of one instant; no two instants share one."""
    rng = np.random.default_rng([env, episode, step])
    picture = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    picture[0, 0] = env, episode % 256, step  # readable in a debugger
    return picture


def vectors_at(env: int, episode: int, step: int) -> dict[str, Array]:
    """The vectors of one instant: they tell env, episode and step, and the object moves on by 1 a step."""
    return {
        "observation": np.array([env, episode, step, step / 7.0]),
        "achieved_goal": np.array([step, episode, env], np.float64),
        "desired_goal": np.array([-1.0 - episode, -1.0, env]),
    }


def compute_reward(achieved_goal: Array, desired_goal: Array, info: Any) -> Any:
    """0 within ``TOLERANCE``, else -1; for goals (3,) or (B, 3). Not symmetric: see below."""
    offset = np.asarray(achieved_goal, np.float64) - np.asarray(desired_goal, np.float64)
    reached = np.linalg.norm(offset, axis=-1) < TOLERANCE
    # Swapped arguments have to show: an achieved goal ahead of the desired one by a step costs a little less.
    ahead = offset[..., 0] > 0
    return np.where(reached, 0.0, np.where(ahead, -0.75, -1.0)).astype(np.float32)


class FakeEnv(gym.Env[dict[str, Array], Array]):
    """Counts steps and episodes, and shows both.

    Args:
        index: which of several environments this is; part of every picture and vector.
        episode_length: steps until an episode ends.
        ends: ``truncated``, ``terminated``, or ``both`` at the same step.
        size: side of the picture.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  # gymnasium's own convention

    def __init__(self, index: int = 0, *, episode_length: int = 5, ends: str = "truncated", size: int = 12) -> None:
        self.render_mode = "rgb_array"
        self.index, self.episode_length, self.ends, self.size = index, episode_length, ends, size
        self.episode, self.steps = -1, 0
        goal = spaces.Box(-np.inf, np.inf, (3,), np.float64)
        state = spaces.Box(-np.inf, np.inf, (4,), np.float64)
        self.observation_space = spaces.Dict({"observation": state, "achieved_goal": goal, "desired_goal": goal})  # type: ignore[assignment]
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Starts the next episode."""
        super().reset(seed=seed, options=options)
        self.episode, self.steps = self.episode + 1, 0
        return vectors_at(self.index, self.episode, 0), {}

    def step(self, action: Array) -> tuple[dict[str, Array], float, bool, bool, dict[str, Any]]:
        """Counts one step; the action changes nothing."""
        self.steps += 1
        vectors = vectors_at(self.index, self.episode, self.steps)
        reward = float(compute_reward(vectors["achieved_goal"], vectors["desired_goal"], {}))
        over = self.steps >= self.episode_length
        return (
            vectors,
            reward,
            over and self.ends in {"terminated", "both"},
            over and self.ends in {"truncated", "both"},
            {"is_success": False},
        )

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: Any) -> Any:
        """The module's ``compute_reward``."""
        return compute_reward(achieved_goal, desired_goal, info)

    def render(self) -> Array:
        """``frame_at`` this instant."""
        return frame_at(self.index, self.episode, self.steps, self.size)
