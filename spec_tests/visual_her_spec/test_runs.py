"""TRN and SAV of whole runs: how long they train, when they update, what they leave, and how that is evaluated."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from visual_her_spec.batches import largest_change
from visual_her_spec.catalogue import Profile, requirement
from visual_her_spec.logged_env import HIDE, ID, LOG, MUJOCO_ID, SIZE, Event, complete_episodes, read_log, read_outcomes
from visual_her_spec.protocol import Capability, Implementation, TrainingRun, TrainOptions

OPTIONS = TrainOptions(
    env_id=ID, total_steps=100, learning_starts=50, update_to_data=0.5, checkpoint_freq=20, seed=3, image_size=SIZE
)
SLACK = 4  # env steps: one step of up to four environments side by side
LONGER = 104  # two updates more
RESUME = "chapter section 9.14"


@dataclass(frozen=True)
class Trained:
    """A run and where its files are; ``steps`` is what its environments counted."""

    run: TrainingRun
    folder: Path
    steps: int


def _train(impl: Implementation, options: TrainOptions, folder: Path, resume: Path | None = None) -> Trained:
    log = folder / f"log{options.total_steps}"
    log.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LOG, str(log))
        run = impl.train(options, folder, resume=resume)
    return Trained(run, folder, sum(event.action is not None for events in read_log(log) for event in events))


@pytest.fixture(scope="module")
def trained(impl: Implementation, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run to its end."""
    return _train(impl, OPTIONS, tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def resumed(impl: Implementation, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The same run with a larger target."""
    folder = tmp_path_factory.mktemp("resumed") / "run"
    shutil.copytree(trained.folder, folder)
    last = _last(trained).relative_to(trained.folder)
    return _train(impl, replace(OPTIONS, total_steps=LONGER), folder, resume=folder / last)


def _last(trained: Trained) -> Path:
    return trained.run.checkpoints[max(trained.run.checkpoints)]


# --------------------------------------------------------------------------------------------- steps and updates


@requirement(
    "TRN-014",
    "Training MUST take total_steps env steps, counted over all its environments, and leave a checkpoint of that step.",
    reason="curves of different implementations are compared by env steps, and a step of 4 environments is 4 of them",
    source="chapter section 9.13, whose horizontal axis it is",
    capability=Capability.TRAINING,
)
def test_training_takes_its_steps(trained: Trained) -> None:
    target = OPTIONS.total_steps
    assert abs(trained.steps - target) <= SLACK, (
        f"training to {target} took {trained.steps} env steps: count a step of each environment"
    )
    last = max(trained.run.checkpoints, default=0)
    assert abs(last - target) <= SLACK, (
        f"the last checkpoint of {target} steps is of step {last}: write one at the end as well"
    )


@requirement(
    "TRN-015",
    "No parameter MUST change before learning_starts env steps, and encoder, actor and critic MUST change afterwards.",
    reason="an agent that learns from its first few transitions overfits to them, and some never recover",
    source="SB3's learning_starts; DrQ-v2, arXiv:2107.09645, table 2: 4,000 exploration steps",
    capability=Capability.TRAINING,
)
def test_warm_up_changes_nothing(impl: Implementation, trained: Trained) -> None:
    steps = sorted(trained.run.checkpoints)
    parameters = {step: impl.load_agent(trained.run.checkpoints[step]).parameters() for step in steps}
    early = [step for step in steps if step <= OPTIONS.learning_starts - SLACK]
    name, change = largest_change(parameters[early[0]], parameters[early[-1]], "encoder", "actor", "critic")
    assert change == 0, (
        f"{name} changed by {change:.3g} between steps {early[0]} and {early[-1]}: update nothing before "
        f"learning_starts = {OPTIONS.learning_starts}"
    )
    for role in ("encoder", "actor", "critic"):
        _, change = largest_change(parameters[early[-1]], parameters[steps[-1]], role)
        assert change > 0, f"the {role} is the same at steps {early[-1]} and {steps[-1]}: train it"


@requirement(
    "TRN-016",
    "Training MUST make update_to_data updates for each env step after learning_starts.",
    reason="four environments with one update a vectorised step are a ratio of 0.25, and often meant to be 1",
    source="chapter section 9.12; DrQ-v2, arXiv:2107.09645, table 2",
    capability=Capability.TRAINING,
)
def test_update_to_data_ratio(trained: Trained) -> None:
    learned_from = OPTIONS.total_steps - OPTIONS.learning_starts
    expected, slack = OPTIONS.update_to_data * learned_from, OPTIONS.update_to_data * SLACK
    assert abs(trained.run.updates - expected) <= slack, (
        f"{learned_from} env steps after the warm-up brought {trained.run.updates} updates, not {expected:.0f}: "
        f"make {OPTIONS.update_to_data:g} an env step, whatever the number of environments"
    )


@requirement(
    "TRN-017",
    "A checkpoint MUST be written every checkpoint_freq env steps.",
    reason="a cadence that counts vectorised steps writes a quarter of them, and a crash then costs four times as much",
    source=f"{RESUME}; SB3's CheckpointCallback counts calls, not env steps",
    profile=Profile.CHAPTER,
    capability=Capability.TRAINING,
)
def test_checkpoint_cadence(trained: Trained) -> None:
    written = sorted(trained.run.checkpoints)
    for due in range(OPTIONS.checkpoint_freq, OPTIONS.total_steps + 1, OPTIONS.checkpoint_freq):
        assert any(0 <= step - due <= SLACK for step in written), (
            f"there is no checkpoint of step {due}, only of {', '.join(map(str, written))}: write one every "
            f"{OPTIONS.checkpoint_freq} env steps"
        )


@requirement(
    "TRN-023",
    "A reset MUST NOT be stored as a step: no sampled transition leads to an episode's first observation.",
    reason="under next-step autoreset the step after a done ignores its action, and its reward of 0 looks like success",
    source="Gymnasium, vector environments, AutoresetMode.NEXT_STEP",
    capability=Capability.TRAINING,
)
def test_reset_is_no_step(trained: Trained) -> None:
    outcomes = read_outcomes(trained.folder / f"log{OPTIONS.total_steps}")
    assert outcomes, "compute_reward was never called in training: recompute the rewards of relabelled transitions"
    resets = outcomes.count(0) / len(outcomes)
    assert resets == 0, (
        f"{resets:.1%} of the relabelled transitions lead to a goal that was achieved at a reset: store no transition "
        "for a step with which a vector env only resets (next-step autoreset)"
    )


# ---------------------------------------------------------------------------------------------------- resume


@requirement(
    "TRN-018",
    "A resumed run MUST stop at the target total, and not take as many steps once more.",
    reason="two meanings of --total-steps are how a 4 M run becomes one of 6 M, unnoticed",
    source=RESUME,
    profile=Profile.CHAPTER,
    capability=Capability.TRAINING,
)
def test_resume_counts_to_the_target(resumed: Trained) -> None:
    missing = LONGER - OPTIONS.total_steps
    assert abs(resumed.steps - missing) <= SLACK, (
        f"a run of {OPTIONS.total_steps} env steps, resumed to {LONGER}, took {resumed.steps} more, not {missing}: "
        "total_steps is the target total, count from the checkpoint's step"
    )


@requirement(
    "TRN-019",
    "A resumed run MUST go on from the checkpoint's networks.",
    reason="a new agent under an old name costs as much as the run did, and its curve only looks like bad luck",
    source=RESUME,
    capability=Capability.TRAINING,
)
def test_resume_goes_on(impl: Implementation, trained: Trained, resumed: Trained) -> None:
    earliest = impl.load_agent(trained.run.checkpoints[min(trained.run.checkpoints)]).parameters()
    before, after = impl.load_agent(_last(trained)).parameters(), resumed.run.agent.parameters()
    for role in ("encoder", "actor", "critic"):
        _, learned = largest_change(earliest, before, role)
        _, changed = largest_change(before, after, role)
        assert changed < learned / 2, (
            f"the {role} of a run that is resumed for {LONGER - OPTIONS.total_steps} steps is {changed:.2g} from its "
            f"checkpoint's, which had moved by {learned:.2g} in all its run: load the checkpoint's networks"
        )


@requirement(
    "SAV-008",
    "The agent that a run's last checkpoint holds MUST act as the one in memory did, normalisers of inputs included.",
    reason="statistics of inputs are part of the policy, and are kept outside of the networks more often than not",
    source=f"{RESUME}; DLR-RM/stable-baselines3, VecNormalize is saved by itself",
    capability=Capability.TRAINING,
)
def test_checkpoint_holds_the_normalisers(impl: Implementation, trained: Trained) -> None:
    env = impl.make_env(gym.make(ID), image_size=SIZE)
    observation, _ = env.reset(seed=0)
    seen = [observation, *(env.step(env.action_space.sample())[0] for _ in range(5))]
    env.close()
    batch = {key: np.stack([each[key] for each in seen]) for key in observation}
    memory, loaded = trained.run.agent, impl.load_agent(_last(trained))
    off = np.abs(memory.act(batch, deterministic=True) - loaded.act(batch, deterministic=True)).max()
    assert off < 1e-6, (
        f"actions of the last checkpoint are {off:.3g} off those of the agent in memory: save the statistics that "
        "inputs are normalised with"
    )


# ------------------------------------------------------------------------------------------------ evaluation


def _evaluate(
    impl: Implementation, trained: Trained, n_episodes: int, log: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[float, list[Event]]:
    """The success rate, and what was done to the environment."""
    log.mkdir()
    monkeypatch.setenv(LOG, str(log))
    rate = impl.evaluate(_last(trained), n_episodes=n_episodes, seed=1_000)
    monkeypatch.delenv(LOG)
    logs = read_log(log)
    assert logs, f"evaluate took no step in {OPTIONS.env_id}: evaluate on the task that the agent was trained on"
    return rate, max(logs, key=len)


def _off(impl: Implementation, checkpoint: Path, env: gym.Env[Any, Any], log: list[Event]) -> float:
    """By how much the logged actions differ from those of the checkpoint's mean policy on ``env``'s observations."""
    agent, largest = impl.load_agent(checkpoint), 0.0
    observation: Any = None
    for event in log:
        if event.action is None:
            observation, _ = env.reset(seed=event.seed)
        else:
            batch = {key: np.asarray(value)[None] for key, value in observation.items()}
            action = agent.act(batch, deterministic=True)[0]
            largest = max(largest, float(np.abs(action - event.action).max()))
            observation = env.step(np.array(event.action, np.float32))[0]
    env.close()
    return largest


@requirement(
    "TRN-020",
    "Evaluation MUST act with the policy's mean, on observations that are made as in training.",
    reason="exploration noise hides what was learned, and another stack or normalisation is another task",
    source="chapter section 9.13; SB3's evaluate_policy(deterministic=True)",
    capability=Capability.TRAINING,
)
def test_evaluation_is_deterministic(
    impl: Implementation, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, log = _evaluate(impl, trained, 2, tmp_path / "log", monkeypatch)
    off = _off(impl, _last(trained), impl.make_env(gym.make(ID), image_size=SIZE), log)
    assert off < 1e-5, (
        f"evaluation takes actions that are {off:.2g} off the policy's mean for what make_env shows: act "
        "deterministically, on the observations of training"
    )


@requirement(
    "TRN-021",
    "Evaluation MUST draw with the camera of training.",
    reason="an encoder sees nothing from another place, and success at chance then says nothing about the training",
    source="chapter section 9.13",
    capability=Capability.MUJOCO_CAMERA,
)
def test_evaluation_keeps_the_camera(impl: Implementation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if Capability.TRAINING not in impl.capabilities:
        pytest.skip(f"not claimed: {Capability.TRAINING}")
    options = replace(OPTIONS, env_id=MUJOCO_ID, camera="table", total_steps=40, learning_starts=40, checkpoint_freq=40)
    trained = _train(impl, options, tmp_path / "run")
    _, log = _evaluate(impl, trained, 1, tmp_path / "log", monkeypatch)
    checkpoint = _last(trained)
    off = {
        camera: _off(impl, checkpoint, impl.make_env(gym.make(MUJOCO_ID), image_size=SIZE, camera=camera), log)
        for camera in ("table", "default")
    }
    assert off["table"] < max(1e-6, off["default"] / 10), (
        f"evaluation takes actions that are {off['table']:.2g} off the policy's for camera 'table', in which it was "
        f"trained, and {off['default']:.2g} off those for 'default': evaluate in the camera of training"
    )


@requirement(
    "TRN-022",
    "An evaluated episode MUST count as a success if the goal is reached at its last step, and only then.",
    reason="a puck that slides over the goal is not on it, and any success on the way counts far more episodes",
    source="Plappert et al. 2018, arXiv:1802.09464, section 1.1: is_success at the end of an episode",
    capability=Capability.TRAINING,
)
def test_success_is_read_at_the_last_step(
    impl: Implementation, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate, log = _evaluate(impl, trained, 6, tmp_path / "log", monkeypatch)
    episodes = complete_episodes(log)[:6]
    at_the_end = sum(steps[-1].success for steps in episodes) / len(episodes)
    on_the_way = sum(any(step.success for step in steps) for steps in episodes) / len(episodes)
    assert abs(rate - at_the_end) < 1e-6, (
        f"success is {rate:.0%} where {at_the_end:.0%} of the episodes end at their goal and {on_the_way:.0%} were "
        "there at some time: read is_success at the last step"
    )


@requirement(
    "TRN-025",
    "Evaluated episodes MUST start from different resets: no seed is given to two of them.",
    reason="a hundred replays of one episode are a sample of one, and a rate of 0 % or 100 %",
    source="chapter section 9.13; SB3's evaluate_policy goes on from reset to reset",
    capability=Capability.TRAINING,
)
def test_evaluated_episodes_differ(
    impl: Implementation, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _evaluate(impl, trained, 6, tmp_path / "log", monkeypatch)
    resets = [
        event
        for log in read_log(tmp_path / "log")
        for event, following in pairwise(log)
        if event.action is None and following.action is not None
    ]
    seeds = Counter(event.seed for event in resets if event.seed is not None)  # an unseeded reset goes on from the last
    seed, times = max(seeds.items(), key=lambda item: item[1], default=(0, 0))
    assert times <= 1, (
        f"{times} of {len(resets)} evaluated episodes start from a reset with seed {seed}: give each episode a seed of "
        "its own, or seed the first reset only"
    )


@requirement(
    "BEL-012",
    "A policy that acts on a belief MUST act without the object's position: with achieved_goal overwritten by NaN, "
    "evaluation MUST take the same actions.",
    reason="a success rate from the true position is evidence of hands, and says nothing about eyes",
    source="Pinto et al. 2017, arXiv:1710.06542, section 3: what helps in training has to be absent in acting",
    capability=Capability.BELIEF,
)
def test_a_run_with_a_belief_acts_without_the_position(
    impl: Implementation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Capability.TRAINING not in impl.capabilities:
        pytest.skip(f"not claimed: {Capability.TRAINING}")
    trained = _train(impl, replace(OPTIONS, belief=True), tmp_path / "run")
    _, shown = _evaluate(impl, trained, 2, tmp_path / "shown", monkeypatch)
    advice = "act from pixels, the robot's own state and desired_goal alone"
    monkeypatch.setenv(HIDE, "1")
    try:
        _, hidden = _evaluate(impl, trained, 2, tmp_path / "hidden", monkeypatch)
    except Exception as error:  # a network that meets NaN can end in any way
        raise AssertionError(f"without achieved_goal evaluation ends with {type(error).__name__}: {advice}") from error
    first, second = (np.array([event.action for event in log if event.action]) for log in (shown, hidden))
    off = float(np.abs(first - second).max())
    assert off == 0, f"without achieved_goal evaluation takes actions that are {off:.2g} off: {advice}"
