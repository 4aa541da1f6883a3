"""Where a run's time goes: simulate, render, transfer, sample, encode, update. Nothing of a run knows of this."""

from __future__ import annotations

import time
from typing import Any

from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from visual_her.belief import BeliefVecEnv
from visual_her.encoders import ManipulationExtractor
from visual_her.sac import PixelSAC
from visual_her.stopwatch import Stopwatch

Seconds = dict[str, float]  # by phase

PHASES = ("simulate", "render", "transfer", "sample", "encode", "update", "other")


class Profile:
    """The phases of a training run, as shares of its wall-clock time.

    Environments in worker processes simulate and render side by side: their seconds are divided by the number of
    workers, and what the trainer waited beyond that is ``transfer``. On a GPU, work that is only queued counts where
    its result is waited for.

    Args:
        agent: before it is trained.
        env: its environments.
    """

    def __init__(self, agent: PixelSAC, env: VecEnv) -> None:
        self.env, self.stopwatch = env, Stopwatch()
        self.born = self.started = time.perf_counter()
        self.before: Seconds = {}
        timed = self.stopwatch.timed
        if isinstance(env, DummyVecEnv):
            for single in env.envs:
                self.stopwatch.watch(single)
        env.step_async = timed("transfer", env.step_async)  # type: ignore[method-assign]
        env.step_wait = timed("transfer", env.step_wait)  # type: ignore[method-assign]
        agent.update = timed("update", agent.update)  # type: ignore[method-assign]
        if isinstance(env, BeliefVecEnv):
            env.believe = timed("encode", env.believe)  # type: ignore[method-assign]
        buffer: Any = agent.replay_buffer
        buffer.sample = timed("sample", buffer.sample)
        for extractor in {part.features_extractor for part in (agent.actor, agent.critic, agent.critic_target)}:
            if isinstance(extractor, ManipulationExtractor) and extractor.cnn is not None:
                extractor.pixel_features = timed("encode", extractor.pixel_features)  # type: ignore[method-assign]

    def shares(self) -> dict[str, float]:
        """Phase -> share of the time since the last call, which ends with this one; more than 1 in all with overlap."""
        seconds, now = self._seconds(), time.perf_counter()
        since = {phase: value - self.before.get(phase, 0) for phase, value in seconds.items()}
        shares = _shares(since, now - self.started)
        self.before, self.started = seconds, now
        return shares

    def whole(self) -> str:
        """The shares since the beginning, in words, the largest first."""
        shares = _shares(self._seconds(), time.perf_counter() - self.born)
        largest = sorted(shares.items(), key=lambda pair: -pair[1])
        return ", ".join(f"{phase} {100 * share:.0f} %" for phase, share in largest if share >= 0.005)

    def _seconds(self) -> Seconds:
        seconds = dict(self.stopwatch.seconds)
        phases = getattr(self.env, "phases", None)
        if phases is not None:
            for phase, value in phases().items():
                seconds[phase] = seconds.get(phase, 0) + value
                seconds["transfer"] = seconds.get("transfer", 0) - value
        return seconds


def _shares(seconds: Seconds, wall: float) -> dict[str, float]:
    spent = {**seconds, "other": wall - sum(seconds.values())}
    return {phase: spent[phase] / wall for phase in PHASES if spent.get(phase, 0) > 0}
