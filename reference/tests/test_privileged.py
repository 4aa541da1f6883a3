"""The privileged track: what teaches in training stays out of acting, and is said wherever a figure is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from visual_her import checkpoint, evaluation, preflight
from visual_her.config import TrainConfig, tag
from visual_her.pixel_env import PixelObservationWrapper
from visual_her.privileged import Localizer, PrivilegedSAC, SightingWrapper
from visual_her.recipes import RECIPES
from visual_her.training import TrainResult, train
from visual_her.vec_env import make_task


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainResult, Path]:
    """A short run of ``laptop`` with small networks."""
    folder = tmp_path_factory.mktemp("laptop")
    config = dataclasses.replace(
        RECIPES["laptop"][1], total_steps=700, n_envs=2, learning_starts=300, buffer_size=1_000, batch_size=32,
        net_arch=(32,), image_size=32, checkpoint_freq=0, device="cpu", log_dir=str(folder / "runs"),
        checkpoints_dir=str(folder / "checkpoints"),
    )  # fmt: skip
    return train(config), folder


def test_a_sighting_shows_the_position_that_it_comes_with() -> None:
    options = {"goal_mode": "both", "frame_stack": 1, "image_size": 32, "camera": "table", "goal_marker": "hidden"}
    plain = PixelObservationWrapper(make_task("FetchPush-v4"), **options)  # type: ignore[arg-type]
    sighted = SightingWrapper(PixelObservationWrapper(make_task("FetchPush-v4"), **options))  # type: ignore[arg-type]
    for env in (plain, sighted):
        env.reset(seed=3)
        env.action_space.seed(3)
    for _ in range(5):
        expected, *_ = plain.step(plain.action_space.sample())
        observation, *_, info = sighted.step(sighted.action_space.sample())
        frame, position = info["sighting"]
        assert "pixels" not in observation
        np.testing.assert_array_equal(frame, expected["pixels"])
        np.testing.assert_array_equal(position, expected["achieved_goal"])
    plain.close()
    sighted.close()


def test_evaluation_never_reads_achieved_goal(trained: tuple[TrainResult, Path]) -> None:
    agent, env = evaluation.load_agent(checkpoint.read(trained[0].checkpoint), device="cpu")
    observation, _ = env.reset(seed=5)
    blinded = {**observation, "achieved_goal": np.full(3, np.nan)}
    for _ in range(10):
        action, _ = agent.predict(observation, deterministic=True)
        np.testing.assert_array_equal(action, agent.predict(blinded, deterministic=True)[0])
        assert np.isfinite(action).all()
        observation, *_ = env.step(action)
        blinded = {**observation, "achieved_goal": np.full(3, np.nan)}
    dark = {**observation, "pixels": np.zeros_like(observation["pixels"])}
    assert not np.array_equal(
        agent.predict(dark, deterministic=True)[0], agent.predict(observation, deterministic=True)[0]
    )
    env.close()


def test_the_localizer_is_in_the_checkpoint(trained: tuple[TrainResult, Path]) -> None:
    agent, env = evaluation.load_agent(checkpoint.read(trained[0].checkpoint), device="cpu")
    env.close()
    in_memory = trained[0].agent
    assert isinstance(agent, PrivilegedSAC)
    assert isinstance(in_memory, PrivilegedSAC)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8)
    np.testing.assert_array_equal(agent.locate(pixels), in_memory.locate(pixels))


def test_the_memory_that_is_asked_for_before_the_run_is_what_it_takes(trained: tuple[TrainResult, Path]) -> None:
    config, agent = checkpoint.read(trained[0].checkpoint).config, trained[0].agent
    assert isinstance(agent, PrivilegedSAC)
    buffer = agent.replay_buffer
    assert preflight.check_memory(config, buffer.observation_space, 4, 50) == buffer.nbytes  # type: ignore[arg-type]
    assert buffer.sightings.frames.shape == (501, 3, 32, 32)


def test_the_error_of_the_eyes_is_logged_in_centimetres(trained: tuple[TrainResult, Path]) -> None:
    header, *_, last = trained[0].paths.progress.read_text().splitlines()
    row = dict(zip(header.split(","), last.split(","), strict=True))
    assert 0 < float(row["train/localizer_error_cm"]) < 100


def test_every_figure_says_its_track(trained: tuple[TrainResult, Path]) -> None:
    result = evaluation.evaluate(trained[0].checkpoint, n_episodes=1, device="cpu")
    assert result["track"] == "privileged in training"
    assert "privileged" in result["config_tag"]
    assert json.loads(trained[0].checkpoint.with_suffix(".meta.json").read_text())["config"]["privileged"]
    assert "privileged" not in tag(TrainConfig())
    assert evaluation.track(TrainConfig()) == "end to end"
    assert evaluation.track(RECIPES["fast-state"][1]) == "no pixels"


def test_a_localizer_learns_where_a_square_is() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    localizer = Localizer(learning_rate=3e-3, average=0.98)

    def sightings(number: int) -> tuple[torch.Tensor, torch.Tensor]:
        frames = rng.integers(0, 40, (number, 3, 24, 24)).astype(np.uint8)
        corners = rng.integers(0, 21, (number, 2))
        for frame, (row, column) in zip(frames, corners, strict=True):
            frame[:, row : row + 4, column : column + 4] = 220
        metres = np.column_stack([corners / 100, np.full(number, 0.42)])  # a pixel is a centimetre
        return torch.from_numpy(frames), torch.from_numpy(metres.astype(np.float32))

    for _ in range(300):
        localizer.learn(*sightings(32))
    frames, positions = sightings(64)
    with torch.no_grad():
        error = (localizer(frames) - positions).norm(dim=1).median()
    assert error < 0.01, f"the median error is {100 * error:.1f} cm"
