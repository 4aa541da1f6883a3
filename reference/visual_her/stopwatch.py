"""Seconds by phase, of functions that are timed from outside."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import gymnasium as gym


class Stopwatch:
    """Seconds by phase of one process. What is timed inside of something timed is taken off the outer one."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]  # seconds of what has been timed inside, one entry a level

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, timed."""

        def run(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            self._inner.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                whole = time.perf_counter() - started
                self.seconds[phase] += whole - self._inner.pop()
                self._inner[-1] += whole

        return run

    def watch(self, env: gym.Env[Any, Any]) -> None:
        """Times the task's steps and resets, and the camera, of one environment."""
        env.unwrapped.step = self.timed("simulate", env.unwrapped.step)  # type: ignore[method-assign]
        env.unwrapped.reset = self.timed("simulate", env.unwrapped.reset)  # type: ignore[method-assign]
        renderer = env.get_wrapper_attr("frame_renderer") if env.has_wrapper_attr("frame_renderer") else None
        if renderer is not None:
            renderer.draw = self.timed("render", renderer.draw)
