"""Compressed storage: every frame bit by bit, the bytes that were promised, and the specification's replay."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv
from visual_her import memory, preflight
from visual_her.agent import build_agent
from visual_her.compressed_frames import LEARN_EVERY, LEARN_FROM, CompressedFrames, claimed_frame_bytes
from visual_her.config import TrainConfig
from visual_her.conformance import Reference, ReferenceReplay
from visual_her.errors import UsageError
from visual_her.frames import Storage
from visual_her.pixel_env import PixelObservationWrapper
from visual_her.refusals import check
from visual_her.rendering import Camera
from visual_her.replay import HerFrameBuffer
from visual_her.vec_env import make_env, make_task
from visual_her_spec.conformance import check_implementation
from visual_her_spec.report import Verdict

Frame = npt.NDArray[np.uint8]
Episode = list[dict[str, npt.NDArray[Any]]]


class CompressedReference(Reference):
    """The reference with its frames compressed."""

    name = "visual-her reference, compressed frames"

    def make_replay(
        self,
        observation_space: gym.spaces.Dict,
        action_space: gym.spaces.Box,
        *,
        capacity: int,
        n_envs: int,
        n_sampled_goal: int,
        compute_reward: Any,
        episode_length: int,
        drq_pad: int = 0,
        seed: int = 0,
        n_steps: int = 1,
        gamma: float = 0.95,
    ) -> ReferenceReplay:
        """``HerFrameBuffer`` with the default claim, which the specification's noise outgrows."""
        return ReferenceReplay(
            HerFrameBuffer(
                capacity,
                observation_space,
                action_space,
                device="cpu",
                n_envs=n_envs,
                compute_reward=compute_reward,
                n_sampled_goal=n_sampled_goal,
                episode_length=episode_length,
                drq_pad=drq_pad,
                seed=seed,
                n_steps=n_steps,
                gamma=gamma,
                storage="compressed",
            )
        )


IMPLEMENTATION = CompressedReference()


@pytest.mark.filterwarnings("ignore:frames of env:RuntimeWarning")
def test_the_specifications_replay_holds() -> None:
    report = check_implementation(IMPLEMENTATION, areas=["RPL", "HER", "AUG"])
    assert report.verdict is Verdict.CONFORMANT, report.terminal()


# ---------------------------------------------------------------------------------------- the store alone

SHAPE = (3, 20, 20)


def pictures(kind: str, count: int) -> list[Frame]:
    """A dot that wanders over a fixed picture, noise, or both in turn."""
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, SHAPE, dtype=np.uint8)
    frames = []
    for index in range(count):
        scene = still.copy()
        scene[:, index % 18 : index % 18 + 3, (index // 7) % 18] = rng.integers(0, 256, dtype=np.uint8)
        noise = rng.integers(0, 256, SHAPE, dtype=np.uint8)
        frames.append(noise if kind == "noise" or (kind == "both" and index % 3 == 0) else scene)
    return frames


def write_all(store: CompressedFrames, frames: list[Frame]) -> None:
    for slot, frame in enumerate(frames):
        store.write(0, slot, frame, oldest=max(0, slot - store.slots + 1))


@pytest.mark.filterwarnings("ignore:frames of env:RuntimeWarning")
@pytest.mark.parametrize("kind", ["scene", "noise", "both"])
@pytest.mark.parametrize("frame_bytes", [40, 300, 10_000])
def test_every_frame_of_a_ring_comes_back_bit_by_bit(kind: str, frame_bytes: int) -> None:
    slots, count = 23, 3 * LEARN_FROM * LEARN_EVERY
    store, expected = CompressedFrames(2, slots, SHAPE, frame_bytes), [deque(maxlen=slots), deque(maxlen=slots)]
    rng = np.random.default_rng(1)
    for slot, frame in enumerate(pictures(kind, count)):
        oldest = max(0, slot - slots + 1)
        for env, last in enumerate(expected):
            shown = frame if env == 0 else 255 - frame
            if slot % 31 == 30:  # slots that are written a second time, as after end_episodes()
                store.write(env, slot, rng.integers(0, 256, SHAPE, dtype=np.uint8), oldest=oldest)
            store.write(env, slot, shown, oldest=oldest)
            last.append(shown)
        if slot in (40, count // 2):  # before and after the background is learned
            saved = store.state_arrays(min(slot + 1, slots))
            store = CompressedFrames(2, slots, SHAPE, frame_bytes)
            store.load_state_arrays(saved)
        if slot % 5 == 0:
            held = np.arange(oldest, slot + 1)
            stored = store.gather(np.array([0, 1]), np.stack([held, held])).numpy()
            assert np.array_equal(stored, np.stack([np.stack(last) for last in expected])), f"at slot {slot}"
            assert store.holds(1, slot, expected[1][-1])
            assert not store.holds(1, slot, expected[0][-1])


def test_a_claim_that_is_too_small_grows_once_and_says_so() -> None:
    slots, raw = 50, int(np.prod(SHAPE))
    store = CompressedFrames(1, slots, SHAPE, 400)
    with pytest.warns(RuntimeWarning, match="more than the 400 that were claimed") as said:
        write_all(store, pictures("noise", LEARN_FROM * LEARN_EVERY))
    assert len(said) == 1
    assert store.nbytes <= slots * (raw + 13) + 2 * raw, "noise takes more than raw frames would"


def test_a_claim_that_cannot_grow_is_refused_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    store, frames = CompressedFrames(1, 50, SHAPE, 400), pictures("noise", 50)
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    with pytest.raises(MemoryError, match=r"lower buffer_size\.$"):
        write_all(store, frames)
    written = 50 * 400 // 1200
    stored = store.gather(np.array([0]), np.arange(written)[None]).numpy()[0]
    assert np.array_equal(stored, np.stack(frames[:written]))


# ------------------------------------------------------------------------------------- real episodes


def episodes(camera: Camera, marker: Any, count: int) -> list[Episode]:
    """FetchPush with the gripper driven into the puck."""
    env = PixelObservationWrapper(make_task("FetchPush-v4"), camera=camera, goal_marker=marker)
    recorded = []
    try:
        for seed in range(count):
            rng = np.random.default_rng(seed)
            observation, _ = env.reset(seed=seed)
            episode, start = [observation], observation["achieved_goal"]
            for _ in range(50):
                to_puck = observation["achieved_goal"] - observation["proprioception"][:3]
                action = np.append(np.clip(10 * to_puck + rng.normal(0, 0.3, 3), -1, 1), 0).astype(np.float32)
                observation, *_ = env.step(action)
                episode.append(observation)
            assert np.linalg.norm(observation["achieved_goal"] - start) > 0.01, "the puck was not touched"
            recorded.append(episode)
    finally:
        env.close()
    return recorded


def buffer_for(storage: Storage, camera: Camera, capacity: int, episode: Episode) -> HerFrameBuffer:
    space = gym.spaces.Dict({key: gym.spaces.Box(0, 255, v.shape, v.dtype) for key, v in episode[0].items()})  # type: ignore[arg-type]
    return HerFrameBuffer(
        capacity,
        space,
        gym.spaces.Box(-1, 1, (4,), np.float32),
        device="cpu",
        compute_reward=lambda achieved, desired, info: np.linalg.norm(achieved - desired, axis=-1) < 0.05,
        seed=0,
        storage=storage,
        frame_bytes=claimed_frame_bytes((3, 84, 84), camera) if storage == "compressed" else None,
    )


def fill(buffer: HerFrameBuffer, recorded: list[Episode]) -> None:
    for episode in recorded:
        for step in range(50):
            obs, next_obs = ({k: v[None] for k, v in episode[at].items()} for at in (step, step + 1))
            done = np.array([step == 49])
            action = np.full((1, 4), step / 50, np.float32)
            buffer.add(obs, next_obs, action, np.array([-1.0]), done, [{"TimeLimit.truncated": bool(done[0])}])


@pytest.mark.parametrize(("camera", "most"), [("default", 3_500), ("table", 5_000)])
@pytest.mark.parametrize("marker", ["visible", "hidden"])
def test_real_episodes_take_the_bytes_that_were_promised(
    camera: Camera, most: int, marker: str, recwarn: pytest.WarningsRecorder, tmp_path: Path
) -> None:
    recorded = episodes(camera, marker, 10)
    raw, compressed = (buffer_for(storage, camera, 400, recorded[0]) for storage in ("raw", "compressed"))
    for buffer in (raw, compressed):
        fill(buffer, recorded)
    assert compressed.size() == 400, "the capacity does not hold"
    assert not [str(w.message) for w in recwarn if "frames of env" in str(w.message)], "the claim was too small"
    assert compressed.nbytes / 400 <= most
    np.savez(tmp_path / "saved.npz", **compressed.state_arrays())  # type: ignore[arg-type]
    loaded = buffer_for("compressed", camera, 400, recorded[0])
    with np.load(tmp_path / "saved.npz", allow_pickle=False) as arrays:
        loaded.load_state_arrays(arrays)
    loaded.rng = np.random.default_rng(0)
    for _ in range(4):
        expected = raw.sample(128)
        for other in (compressed, loaded):
            drawn = other.sample(128)
            assert torch.equal(drawn.rewards, expected.rewards)
            for ours, theirs in ((drawn.observations, expected.observations),
                                 (drawn.next_observations, expected.next_observations)):  # fmt: skip
                assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    if marker == "visible":
        for source, target, advice in ((raw, compressed, "raw"), (compressed, raw, "compressed")):
            with pytest.raises(ValueError, match=f"resume with storage='{advice}'"):
                target.load_state_arrays(source.state_arrays())


# ------------------------------------------------------------------------------------------- the trainer


@pytest.mark.parametrize("camera", ["default", "table"])
def test_the_preflight_knows_what_a_compressed_buffer_takes(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(buffer_size=4_000, n_envs=2, num_filters=4, device="cpu", storage="compressed", camera=camera)
    env = DummyVecEnv([lambda: make_env(config)] * 2)
    monkeypatch.setattr(preflight, "available_memory", lambda: 10**15)
    checked = preflight.check_memory(config, env.observation_space, 4, 50)  # type: ignore[arg-type]
    buffer = build_agent(config, env, lambda achieved, desired, info: 0).replay_buffer
    assert checked == buffer.nbytes - 2 * 3 * 84 * 84  # type: ignore[union-attr]
    assert checked / 4_000 <= (3_500 if camera == "default" else 5_000)


def test_compressed_storage_without_pixels_is_refused() -> None:
    with pytest.raises(UsageError, match="--storage compressed does nothing with --full-state"):
        check(TrainConfig(full_state=True, storage="compressed"))


def test_compressed_frames_on_a_gpu_are_refused() -> None:
    space = gym.spaces.Dict(
        {key: gym.spaces.Box(0, 1, (3,)) for key in ("achieved_goal", "desired_goal")}
        | {"pixels": gym.spaces.Box(0, 255, (12, 8, 8), np.uint8)}
    )
    action = gym.spaces.Box(-1, 1, (4,))
    with pytest.raises(ValueError, match="leave frame_device out"):
        HerFrameBuffer(50, space, action, "cpu", compute_reward=print, storage="compressed", frame_device="cuda")
