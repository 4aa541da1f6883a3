"""A task that only sight can solve: an object among distractors, its position nowhere but in the pixels.

It is small enough that real learning is a matter of seconds on a CPU, and it has controls: with blank pixels, with an
encoder that is never trained, or without hindsight, an agent stays far below.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

Array = npt.NDArray[Any]


class SightEnv(gym.Env[dict[str, Array], Array]):
    """A green square is moved by the action, red and blue squares move at random; bring the green one to the goal.

    Positions are in [-1, 1]^2, x to the right and y downwards. ``achieved_goal`` is the green square's position;
    ``observation`` is a constant, for there is no robot. Episodes are ended by a ``TimeLimit`` of ``EPISODE_LENGTH``.
    """

    EPISODE_LENGTH = 12
    STEP = 0.3
    TOLERANCE = 0.2

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  # gymnasium's own convention

    def __init__(self, size: int = 16, distractors: int = 2) -> None:
        self.render_mode = "rgb_array"
        self.size = size
        self.positions = np.zeros((1 + distractors, 2))
        self.goal = np.zeros(2)
        vector = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.observation_space = spaces.Dict(  # type: ignore[assignment]
            {
                "observation": spaces.Box(-np.inf, np.inf, (1,), np.float64),
                "achieved_goal": vector,
                "desired_goal": vector,
            }
        )
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """New positions for every square and a new goal away from the walls."""
        super().reset(seed=seed, options=options)
        self.positions = self.np_random.uniform(-0.9, 0.9, self.positions.shape)
        self.goal = self.np_random.uniform(-0.7, 0.7, 2)
        return self._observe(), {"is_success": self._is_success()}

    def step(self, action: Array) -> tuple[dict[str, Array], float, bool, bool, dict[str, Any]]:
        """Moves the green square by up to ``STEP`` an axis, and each distractor by as much at random."""
        moves = self.np_random.uniform(-1, 1, self.positions.shape)
        moves[0] = np.clip(action, -1, 1)
        self.positions = np.clip(self.positions + self.STEP * moves, -0.9, 0.9)
        reward = self.compute_reward(self.positions[0], self.goal, {})
        return self._observe(), float(reward), False, False, {"is_success": self._is_success()}

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: Any) -> Any:
        """0 within the tolerance, else -1; for goals (2,) or (B, 2)."""
        distance = np.linalg.norm(np.asarray(achieved_goal) - desired_goal, axis=-1)
        return -(distance > self.TOLERANCE).astype(np.float32)

    def render(self) -> Array:
        """(size, size, 3) uint8: coloured squares of 3x3 pixels on grey, the green one on top."""
        picture = np.full((self.size, self.size, 3), 60, np.uint8)
        colours = ([40, 220, 60], [220, 50, 40], [50, 80, 230], [220, 200, 40])
        for (x, y), colour in reversed(list(zip(self.positions, colours, strict=False))):
            column, row = np.round((np.array([x, y]) + 1) / 2 * (self.size - 1)).astype(int)
            picture[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = colour
        return picture

    def _is_success(self) -> bool:
        return bool(self.compute_reward(self.positions[0], self.goal, {}) == 0)

    def _observe(self) -> dict[str, Array]:
        return {
            "observation": np.zeros(1),
            "achieved_goal": self.positions[0].copy(),
            "desired_goal": self.goal.copy(),
        }
