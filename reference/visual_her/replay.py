"""HerFrameBuffer: a replay buffer that stores every camera frame once and relabels goals when it is sampled.

Memory. SB3's buffer stores two 4-frame stacks a transition, 169 KB. Here a *slot* holds what one instant adds: the
newest frame and the vectors. An episode of T transitions takes T + 1 slots, so a transition costs about 21.7 KB, and
3.3 KB with ``storage="compressed"``.

Time. Slots are numbered from 0 without end, separately for each env; slot s lies at s modulo the ring's length. All
complete episodes of an env that are still whole lie between ``_tail`` and ``_complete``, so a uniform draw needs no
scan: draw a slot in this range, and again if it is the final observation of an episode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples

from visual_her.augmentation import RandomShift
from visual_her.frames import FrameStore, Storage, frame_store
from visual_her.memory import slots_of, upload

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]
RewardFunction = Callable[[Array, Array, Any], Any]

MOVED = 0.01  # metres; less is no contact but the object settling


class HerFrameBuffer(ReplayBuffer):
    """Replay of goal-conditioned episodes with HER's ``future`` strategy (Andrychowicz et al. 2017).

    Args:
        buffer_size: transitions to hold, in episodes of at least ``episode_length`` steps; the oldest episode goes
            as a whole when its room is needed.
        observation_space: Dict with ``achieved_goal``, ``desired_goal``, any other vectors, and optionally
            ``pixels``, uint8 (channels * stack, H, W), oldest frame first.
        action_space: a Box.
        device: where sampled tensors go.
        n_envs: number of environments that are added side by side.
        optimize_memory_usage: SB3 passes it; nothing else is done here anyway.
        compute_reward: the task's ``compute_reward(achieved_goal, desired_goal, info)`` for batches.
        n_sampled_goal: HER's k: a fraction k / (k + 1) of each batch is relabelled; 0 switches HER off.
        n_steps: rewards that a sampled transition sums up, all for one goal, before it bootstraps; SB3's name.
        gamma: discount of those rewards; for ``n_steps`` above 1.
        still_weight: chance to draw a transition of an episode in which ``achieved_goal`` never moved by ``MOVED``,
            relative to that of others. Before contact HER learns nothing of a push (Zhao & Tresp 2018,
            arXiv:1810.01363, weigh episodes by the object's energy).
        episode_length: steps of the shortest episode expected; shorter ones only mean less capacity.
        frame_channels: channels of one frame; the stack's depth follows from it.
        drq_pad: DrQ's random shift in pixels, drawn independently for observation and next observation; 0 is off.
        frame_device: where frames are stored; if ``None``, ``device``, and host memory where they are compressed.
        storage: ``raw``, or ``compressed``, without loss: see ``compressed_frames``.
        frame_bytes: to claim for a compressed frame; a seventh of a raw one if ``None``. The claim grows if it has to.
        seed: of the draws; taken from NumPy's global state, which SB3 seeds, if ``None``.

    Raises:
        ValueError: the buffer cannot hold one episode of each env, or an argument is not as above.
        MemoryError: the frames do not fit into memory; raised here, not hours into a run.
    """

    SAMPLES_PIXELS = True

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Dict,
        action_space: spaces.Box,
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        *,
        compute_reward: RewardFunction,
        n_sampled_goal: int = 4,
        n_steps: int = 1,
        gamma: float = 0.99,
        still_weight: float = 1.0,
        episode_length: int = 50,
        frame_channels: int = 3,
        drq_pad: int = 0,
        frame_device: torch.device | str | None = None,
        seed: int | None = None,
        storage: Storage = "raw",
        frame_bytes: int | None = None,
    ) -> None:
        BaseBuffer.__init__(self, buffer_size, observation_space, action_space, device, n_envs)  # not its arrays
        self.optimize_memory_usage = optimize_memory_usage
        self.handle_timeout_termination = True  # SB3 asks when it loads
        _check_layout(buffer_size, observation_space, n_envs, n_sampled_goal, episode_length, frame_channels)
        self.compute_reward = compute_reward
        self.n_sampled_goal, self.still_weight = n_sampled_goal, still_weight
        if n_steps < 1:
            raise ValueError(f"n_steps={n_steps} sums up no reward: use at least 1.")
        self.n_steps, self.gamma = n_steps, gamma
        self.slots = slots_of(buffer_size, n_envs, episode_length)
        if seed is None:
            seed = int(np.random.randint(2**31 - 1))  # noqa: NPY002  # SB3 has just seeded this one
        self.rng = np.random.default_rng(seed)
        self._shift = RandomShift(drq_pad, torch.Generator().manual_seed(seed)) if drq_pad else None

        self._frames: FrameStore | None = None
        if "pixels" in observation_space.spaces:
            channels, height, width = observation_space["pixels"].shape  # type: ignore[misc]
            self.frame_stack = channels // frame_channels
            self._frame_channels, shape = frame_channels, (frame_channels, height, width)
            where = frame_device or (self.device if storage == "raw" else "cpu")
            self._frames = frame_store(storage, n_envs, self.slots, shape, torch.device(where), frame_bytes)
        self._vectors = {  # full(), unlike zeros(), touches every page
            key: np.full((n_envs, self.slots, *space.shape), 0, space.dtype)  # type: ignore[misc]
            for key, space in observation_space.spaces.items()
            if key != "pixels"
        }
        self._actions = np.full((n_envs, self.slots, self.action_dim), 0, np.float32)
        self._rewards = np.full((n_envs, self.slots), 0, np.float32)
        self._terminated = np.full((n_envs, self.slots), False, np.bool_)
        self._episode_start = np.full((n_envs, self.slots), 0, np.int64)  # of a complete episode's slots
        self._episode_final = np.full((n_envs, self.slots), 0, np.int64)
        self._still = np.full((n_envs, self.slots), False, np.bool_)  # nothing moved in a complete episode
        self.reset()

    def reset(self) -> None:
        """Forgets every transition; the memory stays claimed."""
        self._tail = np.zeros(self.n_envs, np.int64)  # first slot of the oldest whole episode
        self._complete = np.zeros(self.n_envs, np.int64)  # one past the last slot of the newest complete episode
        self._cursor = np.zeros(self.n_envs, np.int64)  # slot of the current observation
        self._open = np.zeros(self.n_envs, np.bool_)  # an episode is under way
        self._transitions = np.zeros(self.n_envs, np.int64)  # in complete episodes

    def size(self) -> int:
        """Transitions that can be sampled: those of complete episodes."""
        return int(self._transitions.sum())

    @property
    def in_episode(self) -> bool:
        """Whether an episode is under way in any env."""
        return bool(self._open.any())

    @property
    def nbytes(self) -> int:
        """Bytes claimed, frames and everything else."""
        arrays = (*self._vectors.values(), self._actions, self._rewards, self._terminated)
        frames = 0 if self._frames is None else self._frames.nbytes
        return frames + sum(a.nbytes for a in arrays) + self._episode_start.nbytes + self._episode_final.nbytes

    # ------------------------------------------------------------------ adding

    def add(  # type: ignore[override]  # SB3's own buffers for dicts do this, too
        self,
        obs: Mapping[str, Array],
        next_obs: Mapping[str, Array],
        action: Array,
        reward: Array,
        done: Array,
        infos: list[dict[str, Any]],
    ) -> None:
        """Stores one transition of each env.

        Args:
            obs: observations, (n_envs, ...).
            next_obs: the true next observations; at an episode's end its final one, as SB3 passes it, not the
                next reset's.
            action: (n_envs, A), scaled to [-1, 1].
            reward: (n_envs,).
            done: (n_envs,), terminated or truncated.
            infos: ``infos[i]["TimeLimit.truncated"]`` tells a truncation, which is not a termination.
        """
        for env in range(self.n_envs):
            if self._open[env] and not self._continues(env, obs):
                self._close_episode(env)  # the env was reset without a done; what is stored stays a whole episode
            if not self._open[env]:
                self._cursor[env] = self._complete[env]
                self._write(env, int(self._cursor[env]), obs)
                self._open[env] = True
            slot = int(self._cursor[env])
            self._write(env, slot + 1, next_obs)
            at = slot % self.slots
            self._actions[env, at] = np.asarray(action[env]).reshape(-1)
            self._rewards[env, at] = reward[env]
            self._terminated[env, at] = bool(done[env]) and not infos[env].get("TimeLimit.truncated", False)
            self._cursor[env] = slot + 1
            if done[env]:
                self._close_episode(env)

    def end_episodes(self) -> None:
        """Drops the episodes under way, as after a resume, when their environments are gone."""
        self._open[:] = False

    def _continues(self, env: int, obs: Mapping[str, Array]) -> bool:
        """Whether ``obs`` is the observation that was stored last for this env."""
        at = int(self._cursor[env]) % self.slots
        stored = self._vectors.items()
        if not all(np.array_equal(vectors[env, at], obs[key][env], equal_nan=True) for key, vectors in stored):
            return False
        if self._frames is None:
            return True
        return self._frames.holds(env, int(self._cursor[env]), obs["pixels"][env][-self._frame_channels :])

    def _write(self, env: int, slot: int, obs: Mapping[str, Array]) -> None:
        self._make_room(env, slot)
        at = slot % self.slots
        for key, vectors in self._vectors.items():
            vectors[env, at] = obs[key][env]
        if self._frames is not None:
            self._frames.write(env, slot, obs["pixels"][env][-self._frame_channels :], oldest=int(self._tail[env]))

    def _make_room(self, env: int, slot: int) -> None:
        """Evicts the oldest episode whose slots ``slot`` is about to overwrite."""
        while self._tail[env] <= slot - self.slots:
            tail = int(self._tail[env])
            if tail >= self._complete[env]:
                raise ValueError(
                    f"an episode is longer than this buffer's {self.slots} slots an env: raise buffer_size to at "
                    f"least {self.n_envs} envs times the episode length."
                )
            final = int(self._episode_final[env, tail % self.slots])
            self._tail[env] = final + 1
            self._transitions[env] -= final - tail

    def _close_episode(self, env: int) -> None:
        start, final = int(self._complete[env]), int(self._cursor[env])
        at = np.arange(start, final + 1) % self.slots
        self._episode_start[env, at] = start
        self._episode_final[env, at] = final
        self._still[env, at] = np.ptp(self._vectors["achieved_goal"][env, at], axis=0).max() < MOVED
        self._complete[env] = final + 1
        self._transitions[env] += final - start
        self._open[env] = False

    # ---------------------------------------------------------------- sampling

    def sample(self, batch_size: int, env: Any = None) -> DictReplayBufferSamples:  # type: ignore[override]
        """Uniform transitions, relabelled with probability k / (k + 1).

        Args:
            batch_size: B.
            env: SB3 passes a ``VecNormalize``; only ``None`` is supported.

        Returns:
            Tensors on ``device``: observations as the env returned them (pixels uint8), actions, rewards (B, 1)
            and dones (B, 1), which are 1 for terminations only. With ``n_steps`` above 1 the next observation is up
            to so many steps ahead, as far as the episode goes, rewards are the discounted sum of those in between,
            and ``discounts`` (B, 1) is gamma to the power of the steps taken.

        Raises:
            RuntimeError: no episode is complete yet.
            ValueError: ``env`` is given, or ``batch_size`` is below 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} draws nothing: use at least 1.")
        if env is not None:
            raise ValueError("HerFrameBuffer does not normalise: leave VecNormalize out.")
        return self._get_samples(*self._draw_transitions(batch_size))

    def _draw_transitions(self, batch_size: int) -> tuple[Indices, Indices]:
        if self.size() == 0:
            raise RuntimeError("the buffer holds no complete episode yet: collect one of each env before updating.")
        bounds = np.cumsum(self._complete - self._tail)  # slots of whole episodes, env after env
        drawn = np.empty(batch_size, np.int64)
        missing = np.arange(batch_size)
        while len(missing):  # a final observation starts no transition: 1 draw in 51 is repeated
            drawn[missing] = self.rng.integers(bounds[-1], size=len(missing))
            envs = np.searchsorted(bounds, drawn, side="right")
            slots = drawn - (bounds - (self._complete - self._tail))[envs] + self._tail[envs]
            refused = self._episode_final[envs, slots % self.slots] == slots
            if self.still_weight < 1:
                still = self._still[envs[missing], slots[missing] % self.slots]
                refused[missing] |= still & (self.rng.random(len(missing)) >= self.still_weight)
            missing = np.flatnonzero(refused)
        return envs, slots

    def _get_samples(self, batch_inds: Indices, slots: Indices) -> DictReplayBufferSamples:  # type: ignore[override]
        envs, at = batch_inds, slots % self.slots
        final = self._episode_final[envs, at]
        steps = slots[:, None] + np.arange(self.n_steps)  # (B, n), the slots whose rewards are summed up
        inside = steps < final[:, None]
        ends = slots + inside.sum(axis=1)  # of the next observation
        obs = {key: vectors[envs, at] for key, vectors in self._vectors.items()}
        next_obs = {key: vectors[envs, ends % self.slots] for key, vectors in self._vectors.items()}
        rewards = self._rewards[envs[:, None], steps % self.slots]  # (B, n)
        self._relabel(envs, slots, obs, next_obs, rewards)
        powers = (self.gamma ** np.arange(self.n_steps)).astype(np.float32)
        observations, next_observations = (
            {key: self.to_torch(array) for key, array in vectors.items()} for vectors in (obs, next_obs)
        )
        if self._frames is not None and self.SAMPLES_PIXELS:
            observations["pixels"], next_observations["pixels"] = self._stacks(envs, slots, ends)
        terminated = self._terminated[envs, (ends - 1) % self.slots]
        discounts = (self.gamma ** (ends - slots)).astype(np.float32)
        return DictReplayBufferSamples(
            observations=observations,
            actions=self.to_torch(self._actions[envs, at]),
            next_observations=next_observations,
            dones=self.to_torch(terminated.astype(np.float32)[:, None]),
            rewards=self.to_torch((rewards * powers * inside).sum(axis=1, dtype=np.float32)[:, None]),
            discounts=self.to_torch(discounts[:, None]) if self.n_steps > 1 else None,
        )

    def _relabel(
        self, envs: Indices, slots: Indices, obs: dict[str, Array], next_obs: dict[str, Array], rewards: Array
    ) -> None:
        """HER ``future``: a goal that the same episode achieves later, in obs and next_obs alike, and its rewards."""
        chosen = np.flatnonzero(self.rng.random(len(slots)) < self.n_sampled_goal / (self.n_sampled_goal + 1))
        if not len(chosen):
            return
        envs, slots = envs[chosen], slots[chosen]
        final = self._episode_final[envs, slots % self.slots]
        later = self.rng.integers(slots + 1, final + 1)  # next slot to final one
        achieved = self._vectors["achieved_goal"]
        goals = achieved[envs, later % self.slots]
        obs["desired_goal"][chosen] = goals
        next_obs["desired_goal"][chosen] = goals
        after = np.minimum(slots[:, None] + np.arange(1, self.n_steps + 1), final[:, None])  # (B, n)
        reached = achieved[envs[:, None], after % self.slots].reshape(after.size, -1)
        relabelled = self.compute_reward(reached, goals.repeat(self.n_steps, axis=0), [{}] * len(reached))
        rewards[chosen] = np.reshape(relabelled, after.shape)

    def _stacks(self, envs: Indices, slots: Indices, ends: Indices) -> tuple[torch.Tensor, torch.Tensor]:
        """The frame stacks of two slots, each (B, channels * stack, H, W) uint8; they share one gather."""
        assert self._frames is not None
        start, final = (
            bounds[envs, slots % self.slots][:, None] for bounds in (self._episode_start, self._episode_final)
        )
        window = slots[:, None] + np.arange(1 - self.frame_stack, self.n_steps + 1)  # (B, stack + n)
        window = np.clip(window, start, final)  # before the first frame comes the first frame
        frames = upload(self._frames.gather(envs, window), self.device)  # (B, stack + n, C, H, W)
        pixels, next_pixels = frames[:, : self.frame_stack], frames[:, 1:]
        if self.n_steps > 1:
            ahead = torch.from_numpy((ends - slots)[:, None] + np.arange(self.frame_stack))
            next_pixels = frames[torch.arange(len(frames))[:, None], ahead]
        pixels, next_pixels = pixels.flatten(1, 2), next_pixels.flatten(1, 2)
        if self._shift is None:
            return pixels, next_pixels
        return self._shift(pixels), self._shift(next_pixels)

    def to_torch(self, array: Array, copy: bool = True) -> torch.Tensor:
        """On ``device``; what is sampled is a copy already."""
        return upload(torch.from_numpy(array), self.device)

    def vector_statistics(self) -> dict[str, tuple[Array, Array]]:
        """Mean and scale of each vector over what is stored; a variation below 0.01 (1 cm) is not blown up.

        Both goals are centred on what was achieved and divided by 0.1 m, so that their difference keeps its meaning.
        """
        statistics = {}
        for key in self._vectors:
            values = self.stored("achieved_goal" if key == "desired_goal" else key)
            goal = key in ("achieved_goal", "desired_goal")
            scale = np.full(values.shape[1], 0.1) if goal else np.sqrt(values.var(axis=0) + 0.01**2)
            statistics[key] = (values.mean(axis=0), scale)
        return statistics

    def stored(self, key: str) -> Array:
        """A vector at every instant of the whole episodes, (N, size), env after env."""
        slots = [np.arange(self._tail[env], self._complete[env]) % self.slots for env in range(self.n_envs)]
        return np.concatenate([self._vectors[key][env, at] for env, at in enumerate(slots)])

    # ------------------------------------------------------------- persistence

    def state_arrays(self) -> dict[str, Array]:
        """Plain arrays that ``load_state_arrays`` takes back: counters, and the slots in use."""
        used = int(min(self._cursor.max() + 1, self.slots))
        arrays = {f"vector/{key}": vectors[:, :used] for key, vectors in self._vectors.items()}
        arrays["slots"] = np.array(self.slots)
        if self._frames is not None:
            arrays |= self._frames.state_arrays(used)
        for name in _SLOT_ARRAYS:
            arrays[name] = getattr(self, name)[:, :used]
        for name in _COUNTERS:
            arrays[name] = getattr(self, name)
        return arrays

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Restores ``state_arrays`` of a buffer with the same layout; episodes that were under way are dropped.

        Raises:
            ValueError: the arrays are of another layout.
        """
        used = arrays["_actions"].shape[1]
        if int(arrays["slots"]) != self.slots or arrays["_cursor"].shape != (self.n_envs,):
            raise ValueError("the stored replay buffer has another size: use the buffer size and envs of its run.")
        for key, vectors in self._vectors.items():
            vectors[:, :used] = arrays[f"vector/{key}"]
        if self._frames is not None:
            self._frames.load_state_arrays(arrays)
        for name in _SLOT_ARRAYS:
            getattr(self, name)[:, :used] = arrays[name]
        for name in _COUNTERS:
            getattr(self, name)[:] = arrays[name]
        self.end_episodes()


_SLOT_ARRAYS = ("_actions", "_rewards", "_terminated", "_episode_start", "_episode_final", "_still")
_COUNTERS = ("_tail", "_complete", "_cursor", "_open", "_transitions")


def _check_layout(
    buffer_size: int, space: spaces.Dict, n_envs: int, n_sampled_goal: int, episode_length: int, frame_channels: int
) -> None:
    if not isinstance(space, spaces.Dict) or not {"achieved_goal", "desired_goal"} <= set(space.spaces):
        raise ValueError("HER needs observations with achieved_goal and desired_goal: wrap with goal_mode='both'.")
    if n_sampled_goal < 0:
        raise ValueError(f"n_sampled_goal={n_sampled_goal} is negative: use 0 to switch HER off.")
    if episode_length < 1 or buffer_size // n_envs < 1:
        raise ValueError(f"buffer_size={buffer_size} holds no transition of each of {n_envs} envs: raise it.")
    if "pixels" in space.spaces and space["pixels"].shape[0] % frame_channels:  # type: ignore[index]
        raise ValueError(f"pixels have {space['pixels'].shape[0]} channels, no multiple of {frame_channels}.")  # type: ignore[index]
