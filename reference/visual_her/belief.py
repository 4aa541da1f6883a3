"""A belief about the object: what an episode's frames say together, instead of what one of them says.

TD learning bears an error that stays, not one that changes with every frame: an independent error goes into each
target, where one step of a push can be worth less. So estimates are averaged over time by a bilateral mean (Tomasi &
Manduchi 1998), which weighs an estimate by how near it is in time, by how sure it is, and by whether it could be of the
same place; an object that moves is not smeared. Acting *filters*: frames so far. Replay *smooths*: it knows the future.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from visual_her.classifier import SuccessClassifier

Array = npt.NDArray[Any]
FilterName = Literal["bilateral", "equal-sigma", "exponential", "none"]

MEMORY = 16  # frames that reach into a belief, on each side
REACH = 6.0  # steps in which a frame's weight falls to 1 / e


def start_history(n_envs: int, goal_size: int) -> Array:
    """(n_envs, MEMORY, D + 1) of NaN: nothing was seen yet."""
    return np.full((n_envs, MEMORY, goal_size + 1), np.nan)


def remember(history: Array, estimates: Array, episode_start: Array) -> Array:
    """The history after estimates (n_envs, D + 1) were added; where an episode starts, all earlier ones are dropped."""
    kept = np.where(np.asarray(episode_start)[:, None, None], np.nan, history[:, 1:])
    return np.concatenate([kept, estimates[:, None]], axis=1)


def filtered(history: Array, name: FilterName = "bilateral") -> Array:
    """(n_envs, MEMORY, D + 1) -> (n_envs, D): the belief at the newest frame, from the frames so far."""
    lag = np.arange(MEMORY)[::-1]
    return _mean(history[:, -1:], history, lag[None], name)[:, 0]


def smoothed(episode: Array, name: FilterName = "bilateral") -> Array:
    """(T, D + 1) -> (T, D): the belief at each instant, from the frames before and after it."""
    instants = np.arange(len(episode))
    return _mean(episode, episode, np.abs(instants[:, None] - instants), name)


def _mean(at: Array, seen: Array, lag: Array, name: FilterName) -> Array:
    """(..., A, D + 1), (..., S, D + 1) and steps between them (A, S) -> (..., A, D), in metres."""
    variance, others = at[..., -1] ** 2, seen[..., -1] ** 2
    if name == "equal-sigma":
        variance, others = np.full_like(variance, 0.01**2), np.where(np.isnan(others), np.nan, 0.01**2)
    weights = np.where(lag < MEMORY, np.exp(-lag / REACH), 0.0)
    if name == "exponential":
        weights = 0.5**lag + 0 * others[..., None, :]
    elif name == "none":
        weights = (lag == 0) + 0 * others[..., None, :]
    else:
        apart = np.square(at[..., :, None, :-1] - seen[..., None, :, :-1]).sum(axis=-1)  # (..., A, S)
        both = variance[..., :, None] + others[..., None, :]
        weights = weights * np.exp(-apart / (2 * both)) / others[..., None, :]
    weights = np.nan_to_num(weights)  # NaN is a frame that is not there
    total: Array = weights @ np.nan_to_num(seen[..., :-1]) / weights.sum(axis=-1, keepdims=True)
    return total


class BeliefVecEnv(VecEnvWrapper):
    """Adds to each observation ``estimate`` (D + 1,), what its newest frame shows, and ``belief`` (D,), in metres.

    The final observation of an episode gets those of its own episode.

    Args:
        venv: environments whose observations have ``pixels``.
        classifier: sees.
        filter_name: of the belief.
    """

    def __init__(self, venv: VecEnv, classifier: SuccessClassifier, filter_name: FilterName = "bilateral") -> None:
        space: Any = venv.observation_space
        self.goal_size = int(space["desired_goal"].shape[0])
        own = {
            key: spaces.Box(-np.inf, np.inf, (size,), np.float64)
            for key, size in (("belief", self.goal_size), ("estimate", self.goal_size + 1))
        }
        super().__init__(venv, observation_space=spaces.Dict({**space.spaces, **own}))
        self.classifier, self.filter_name = classifier, filter_name
        self._history = start_history(self.num_envs, self.goal_size)

    def reset(self) -> Any:
        """New episodes, new beliefs."""
        self.forget()
        observations: Any = self.venv.reset()
        return self.believe(observations, np.full(self.num_envs, True))

    def step_wait(self) -> Any:
        """As SB3's, with the beliefs."""
        observations: Any
        observations, rewards, dones, infos = self.venv.step_wait()
        if dones.any():
            finals = {key: array.copy() for key, array in observations.items()}
            for env in np.flatnonzero(dones):
                for key, value in infos[env]["terminal_observation"].items():
                    finals[key][env] = value
            before = self._history
            finals = self.believe(finals, np.full(self.num_envs, False))
            self._history = before
            for env in np.flatnonzero(dones):
                infos[env]["terminal_observation"] = {key: array[env] for key, array in finals.items()}
        return self.believe(observations, dones), rewards, dones, infos

    def forget(self) -> None:
        """Nothing was seen in any environment."""
        self._history = start_history(self.num_envs, self.goal_size)

    def believe(self, observations: dict[str, Array], starts: Array) -> dict[str, Array]:
        """The observations with what is seen and believed at them; ``starts`` (n_envs,) tells where episodes start."""
        estimates = self.classifier.see(newest_frames(observations["pixels"]))
        self._history = remember(self._history, estimates, starts)
        return {**observations, "estimate": estimates, "belief": filtered(self._history, self.filter_name)}


def newest_frames(pixels: Array) -> torch.Tensor:
    """uint8 stacks (N, C, H, W) -> their newest frames (N, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels[:, -3:]))
