"""BEL: an encoder that relabelled rewards teach, and a belief over an episode's frames that actor and critics read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from gymnasium import spaces

from visual_her_spec.batches import Parameters, largest_change, listed, still
from visual_her_spec.catalogue import requirement
from visual_her_spec.fake_env import compute_reward, frame_at, vectors_at
from visual_her_spec.protocol import BeliefProbe, Capability, Implementation, Lesson
from visual_her_spec.sight_env import SightEnv

Array = npt.NDArray[Any]
Fill = Callable[..., BeliefProbe]

N_ENVS, EPISODE_LENGTH, SIZE = 2, 6, 16
ACTIONS = spaces.Box(-1.0, 1.0, (4,), np.float32)
REWARDS_ALONE = "the reward of relabelled goals as the encoder's one teacher: Eysenbach et al. 2022, arXiv:2206.07568"
FILTERING = "a filter over feature points: Finn et al. 2016, arXiv:1509.06113, section IV"


def _space(goal_size: int = 3) -> spaces.Dict:
    goal = spaces.Box(-np.inf, np.inf, (goal_size,), np.float64)
    return spaces.Dict(
        {
            "pixels": spaces.Box(0, 255, (3, SIZE, SIZE), np.uint8),
            "proprioception": spaces.Box(-np.inf, np.inf, (4,), np.float64),
            "achieved_goal": goal,
            "desired_goal": goal,
        }
    )


def _observe(episode: int, step: int) -> dict[str, Array]:
    """What all environments show at one instant, env first."""
    each = []
    for env in range(N_ENVS):
        vectors = vectors_at(env, episode, step)
        pixels = frame_at(env, episode, step, SIZE).transpose(2, 0, 1)
        each.append({**vectors, "proprioception": vectors.pop("observation"), "pixels": pixels})
    keys = ("pixels", "proprioception", "achieved_goal", "desired_goal")
    return {key: np.stack([one[key] for one in each]) for key in keys}


@pytest.fixture
def filled(impl: Implementation) -> Fill:
    """Makes an agent whose replay holds these episodes of every environment."""

    def fill(episodes: tuple[int, ...] = (0, 1, 2)) -> BeliefProbe:
        probe = impl.make_belief_agent(
            _space(),
            ACTIONS,
            n_envs=N_ENVS,
            compute_reward=compute_reward,
            episode_length=EPISODE_LENGTH,
            seed=0,
        )
        rng = np.random.default_rng(0)
        for episode in episodes:
            for step in range(EPISODE_LENGTH):
                after = _observe(episode, step + 1)
                rewards = np.asarray(compute_reward(after["achieved_goal"], after["desired_goal"], None), np.float32)
                over = np.full(N_ENVS, step == EPISODE_LENGTH - 1)
                actions = rng.uniform(-1, 1, (N_ENVS, 4)).astype(np.float32)
                probe.add(_observe(episode, step), after, actions, rewards, np.full(N_ENVS, False), over)
        return probe

    return fill


def _frames(episode: int, steps: int = EPISODE_LENGTH + 1) -> Array:
    """uint8 (T, n_envs, 3, H, W)."""
    return np.stack([_observe(episode, step)["pixels"] for step in range(steps)])


def _starts(*lengths: int) -> npt.NDArray[np.bool_]:
    """(T, n_envs): episodes of these lengths, one after another, in every environment."""
    starts = np.concatenate([np.arange(length) == 0 for length in lengths])
    return np.repeat(starts[:, None], N_ENVS, axis=1)


def _scale(probe: BeliefProbe) -> float:
    """By how much the estimates of unrelated frames differ: what a difference of beliefs is measured in."""
    return float(probe.estimates(_frames(5)[:, 0]).std(axis=0).max())


SAME, OTHER = 1e-3, 1e-2  # of that scale


# ----------------------------------------------------------------------------------------------- who teaches whom


@requirement(
    "BEL-001",
    "A step on relabelled rewards MUST move the encoder and leave actor, critics and their targets as they were.",
    reason="an encoder that its one teacher does not reach sees nothing for ever, and its policy looks like patience",
    source=REWARDS_ALONE,
    capability=Capability.BELIEF,
)
def test_rewards_move_the_encoder_alone(filled: Fill) -> None:
    probe = filled()
    before = probe.parameters()
    for _ in range(3):
        probe.update_encoder(probe.sample_lesson(16))
    after = probe.parameters()
    frozen = still(before, after, "encoder")
    assert not frozen, (
        f"steps on relabelled rewards left {listed(frozen)} of {len(before['encoder'])} encoder parameters where they "
        "were: put every one of them into the optimizer of the classifier's loss"
    )
    name, change = largest_change(before, after, *(role for role in before if role != "encoder"))
    assert change == 0, f"a step on relabelled rewards changed {name} by up to {change:.1g}: step the encoder alone"


@requirement(
    "BEL-002",
    "A step of critics, actor and target MUST leave the encoder bit for bit as it was, and move actor and critics.",
    reason="a TD gradient in the encoder makes 'rewards alone' a name, and a figure evidence of something else",
    source=REWARDS_ALONE,
    capability=Capability.BELIEF,
)
def test_the_agents_steps_leave_the_encoder(filled: Fill) -> None:
    probe = filled()
    probe.update_encoder(probe.sample_lesson(16))
    before = probe.parameters()
    for _ in range(3):
        probe.update_agent(probe.sample(16))
    after = probe.parameters()
    name, change = largest_change(before, after, "encoder")
    assert change == 0, (
        f"a step of actor and critics changed {name} by up to {change:.1g}: let them read the belief as a stored "
        "vector, and keep the encoder out of their optimizers"
    )
    for role in ("actor", "critic"):
        frozen = still(before, after, role)
        assert not frozen, f"the agent's steps left {listed(frozen)} {role} parameters where they were: train them"


# -------------------------------------------------------------------------------------------------- the lessons


@requirement(
    "BEL-003",
    "Each reward that the encoder learns from MUST be the task's, for its own frame's instant and its own goal.",
    reason="a frame beside another instant's rewards teaches a place where the object was or will be",
    source="Andrychowicz et al. 2017, arXiv:1707.01495, section 3.2: rewards are those of the relabelled goal",
    capability=Capability.BELIEF,
)
def test_a_lessons_rewards_belong_to_its_frames(filled: Fill) -> None:
    probe = filled()
    shown = {
        _observe(episode, step)["pixels"][env].tobytes(): vectors_at(env, episode, step)["achieved_goal"]
        for episode in range(3)
        for step in range(EPISODE_LENGTH + 1)
        for env in range(N_ENVS)
    }
    found, positive = 0, 0
    for _ in range(20):
        lesson = probe.sample_lesson(16, shift=False)
        for frame, goals, reached in zip(lesson.frames, lesson.goals, lesson.reached, strict=True):
            achieved = shown.get(np.ascontiguousarray(frame).tobytes())
            assert achieved is not None, "a lesson has a frame that was never stored: give the frames as they are"
            margin = np.abs(np.linalg.norm(goals - achieved, axis=1) - 0.5) > 1e-4  # float32 goals at the tolerance
            wanted = np.asarray(compute_reward(np.broadcast_to(achieved, goals.shape), goals, None)) == 0
            wrong = int((wanted != (reached > 0.5))[margin].sum())
            assert not wrong, (
                f"{wrong} of {len(goals)} rewards of a lesson are not the task's for that frame's instant and goal: "
                "compute them from what was achieved when the frame was taken"
            )
            found, positive = found + len(goals), positive + int(wanted.sum())
    assert 0 < positive < found, (
        "every reward of the lessons is the same: relabel goals that are reached and that are not"
    )


@requirement(
    "BEL-004",
    "The goals that the encoder learns from MUST hold what later instants of the same episode achieved.",
    reason="goals of other episodes alone are hardly ever reached, and the classifier learns to say no",
    source="Andrychowicz et al. 2017, arXiv:1707.01495, section 3.3, strategy future",
    capability=Capability.BELIEF,
)
def test_a_lesson_has_goals_of_its_own_episode(filled: Fill) -> None:
    probe = filled()
    later = 0
    for _ in range(20):
        lesson = probe.sample_lesson(16, shift=False)
        for frame, goals in zip(lesson.frames, lesson.goals, strict=True):
            env, episode, step = (int(value) for value in frame[:, 0, 0])
            ahead = [vectors_at(env, episode, at)["achieved_goal"] for at in range(step, EPISODE_LENGTH + 1)]
            distances = np.linalg.norm(goals[:, None] - np.array(ahead)[None], axis=2)
            later += bool((distances.min(axis=1) < 1e-4).any())
    assert later > 0, "no goal of 320 lessons was achieved later in its episode: relabel as HER's future does"


# --------------------------------------------------------------------------------------------------- the belief


@requirement(
    "BEL-005",
    "The belief that acts MUST depend on no later frame, and on the newest one.",
    reason="a belief that was smoothed with the future cannot be had while acting, and its policy fails when it acts",
    source=FILTERING,
    capability=Capability.BELIEF,
)
def test_acting_uses_no_frame_of_the_future(filled: Fill) -> None:
    probe = filled()
    frames, starts = _frames(3), _starts(EPISODE_LENGTH + 1)
    believed, scale = probe.beliefs(frames, starts), _scale(probe)
    changed = frames.copy()
    changed[4:] = _frames(4)[4:]
    off = np.abs(probe.beliefs(changed, starts) - believed).max(axis=(1, 2)) / scale
    assert off[:4].max() <= SAME, (
        "beliefs change when only later frames do: while acting, average over the frames so far"
    )
    assert off[4] >= OTHER, "the belief does not change with the newest frame: it is a step behind"


@requirement(
    "BEL-006",
    "The belief that acts MUST start anew with each episode.",
    reason="after a reset the object is elsewhere, and what the last episode showed pulls the belief away",
    source=FILTERING,
    capability=Capability.BELIEF,
)
def test_acting_starts_anew_with_the_episode(filled: Fill) -> None:
    probe = filled()
    own = probe.beliefs(_frames(3), _starts(EPISODE_LENGTH + 1))
    behind = probe.beliefs(np.concatenate([_frames(4), _frames(3)]), _starts(EPISODE_LENGTH + 1, EPISODE_LENGTH + 1))
    off = float(np.abs(behind[EPISODE_LENGTH + 1 :] - own).max()) / _scale(probe)
    assert off <= SAME, (
        f"beliefs of an episode are {off:.2g} spreads of a frame's estimate off when another episode came before it: "
        "drop what was seen before the reset"
    )


@requirement(
    "BEL-007",
    "The belief of each environment MUST come from its own frames.",
    reason="one memory for several environments blends places that have nothing to do with each other",
    source=FILTERING,
    capability=Capability.BELIEF,
)
def test_environments_believe_for_themselves(filled: Fill) -> None:
    probe = filled()
    frames, starts = _frames(3), _starts(EPISODE_LENGTH + 1)
    changed = frames.copy()
    changed[:, 0] = _frames(4)[:, 0]
    believed, other = probe.beliefs(frames, starts), probe.beliefs(changed, starts)
    scale = _scale(probe)
    assert np.abs(other - believed)[:, 1].max() / scale <= SAME, (
        "the belief of one environment changes with the frames of another: keep a memory for each"
    )
    assert np.abs(other - believed)[:, 0].max() / scale >= OTHER, "an environment's own frames do not change its belief"


@requirement(
    "BEL-008",
    "A belief in the replay MUST come from the frames of its own episode only, and from all of an environment's own.",
    reason="smoothing over a reset puts the object between where it was and where it is, in every replayed boundary",
    source=FILTERING,
    capability=Capability.BELIEF,
)
def test_stored_beliefs_come_from_their_own_episode(filled: Fill) -> None:
    alone, beside = filled((3, 0, 5)), filled((4, 0, 6))
    stored = []
    for probe in (alone, beside):
        probe.refresh()
        stored.append(_stored_beliefs(probe))
    scale = _scale(alone)
    shared = [key for key in stored[0] if key[1] == 0 and key in stored[1]]
    assert len(shared) >= EPISODE_LENGTH, "too few transitions of one episode were sampled: draw uniformly"
    off = max(float(np.abs(stored[0][key] - stored[1][key]).max()) for key in shared) / scale
    assert off <= SAME, (
        f"stored beliefs of an episode are {off:.2g} spreads of a frame's estimate off beside other neighbours: "
        "smooth each episode by itself"
    )
    differing = [float(np.abs(stored[0][key] - stored[0][other]).max()) for key, other in _pairs(stored[0])]
    assert max(differing) / scale >= OTHER, "the stored beliefs of different episodes are all the same"


def _stored_beliefs(probe: BeliefProbe) -> dict[tuple[int, int, int], Array]:
    """(env, episode, step) -> belief, of what is sampled."""
    found = {}
    for _ in range(30):
        batch = probe.sample(16)
        for vector, belief in zip(batch.observations["proprioception"], batch.observations["belief"], strict=True):
            found[(int(vector[0]), int(vector[1]), int(vector[2]))] = belief
    return found


def _pairs(stored: dict[tuple[int, int, int], Array]) -> list[tuple[Any, Any]]:
    return [(a, b) for a in stored for b in stored if a[1] < b[1]]


# ---------------------------------------------------------------------------------------------- the true position


@requirement(
    "BEL-009",
    "With achieved_goal overwritten by NaN in the observations that they receive, the steps of actor and critics, and "
    "what the agent does, MUST be the same.",
    reason="a network that reads the object's position makes a success rate evidence of hands, and not of eyes",
    source="chapter section 9.3, whose goal_mode='both' shows the puck's position to the policy",
    capability=Capability.BELIEF,
)
def test_no_network_reads_the_position(filled: Fill) -> None:
    advice = "let networks read proprioception, belief and desired goal alone"
    (shown, acts), (hidden, blind_acts) = (_two_steps(filled(), hide=hide, advice=advice) for hide in (False, True))
    name, change = largest_change(shown, hidden, *shown)
    assert change == 0, f"without achieved_goal a step leaves {name} up to {change:.1g} off: {advice}"
    assert np.array_equal(acts, blind_acts), f"without achieved_goal the agent acts otherwise: {advice}"


def _two_steps(probe: BeliefProbe, *, hide: bool, advice: str) -> tuple[Parameters, Array]:
    """The parameters after two steps, and what the agent then does."""

    def shown(observations: dict[str, Array]) -> dict[str, Array]:
        return _hidden(observations) if hide else observations

    def step() -> None:
        batch = probe.sample(16)
        before, after = shown(batch.observations), shown(batch.next_observations)
        probe.update_agent(replace(batch, observations=before, next_observations=after))

    if not hide:
        step()
        step()
        return probe.parameters(), probe.act(probe.sample(8).observations)
    try:
        step()
        step()
        return probe.parameters(), probe.act(_hidden(probe.sample(8).observations))
    except Exception as error:  # a network that meets NaN can end in any way
        raise AssertionError(f"without achieved_goal a step ends with {type(error).__name__}: {advice}") from error


def _hidden(observations: dict[str, Array]) -> dict[str, Array]:
    if "achieved_goal" not in observations:
        return observations
    return {**observations, "achieved_goal": np.full_like(observations["achieved_goal"], np.nan)}


# ------------------------------------------------------------------------------------------------------- learning


@pytest.fixture(scope="module")
def errors() -> dict[bool, float]:
    """Whether rewards were permuted -> the median error of the estimates, of that of a constant guess."""
    return {}


@pytest.fixture
def error_after(impl: Implementation, errors: dict[bool, float]) -> Callable[[bool], float]:
    """Trains on pictures of ``SightEnv``, once for each."""

    def of(permuted: bool) -> float:
        if permuted not in errors:
            errors[permuted] = _error(impl, permuted=permuted)
        return errors[permuted]

    return of


UPDATES, LESSON_SIZE, GOALS = 500, 64, 16


def _error(impl: Implementation, *, permuted: bool) -> float:
    task = SightEnv(SIZE)
    rng = np.random.default_rng(0)

    def scene() -> tuple[Array, Array]:
        observation, _ = task.reset(seed=int(rng.integers(2**31)))
        return task.render().transpose(2, 0, 1), observation["achieved_goal"]

    frames, positions = (np.stack(part) for part in zip(*(scene() for _ in range(2_200)), strict=True))
    probe = impl.make_belief_agent(
        _space(2), ACTIONS, n_envs=1, compute_reward=task.compute_reward, episode_length=SightEnv.EPISODE_LENGTH, seed=0
    )
    _one_episode(probe, task)
    for _ in range(UPDATES):
        at = rng.integers(2_000, size=LESSON_SIZE)
        near = positions[at][:, None] + rng.normal(size=(LESSON_SIZE, GOALS, 2)) * 0.3
        far = rng.uniform(-0.9, 0.9, (LESSON_SIZE, 4, 2))
        goals = np.concatenate([near, far], axis=1)
        flat = np.repeat(positions[at], goals.shape[1], axis=0), goals.reshape(-1, 2)
        reached = (task.compute_reward(*flat, None) == 0).reshape(goals.shape[:2])
        if permuted:
            order = rng.permutation(len(at))
            goals, reached = goals[order], reached[order]
        probe.update_encoder(
            Lesson(frames=frames[at], goals=goals.astype(np.float32), reached=reached.astype(np.float32))
        )
    test = slice(2_000, None)
    error = np.median(np.linalg.norm(probe.estimates(frames[test]) - positions[test], axis=1))
    constant = np.median(np.linalg.norm(positions[:2_000].mean(axis=0) - positions[test], axis=1))
    return float(error / constant)


def _one_episode(probe: BeliefProbe, task: SightEnv) -> None:
    """Whoever takes the goals' spread from the replay finds one there."""
    for reset in range(20):
        before, _ = task.reset(seed=reset)
        show = {"pixels": task.render().transpose(2, 0, 1), "proprioception": np.zeros(4)}
        goals = {key: before[key] for key in ("achieved_goal", "desired_goal")}
        observation = {key: value[None] for key, value in {**show, **goals}.items()}
        for step in range(2):
            probe.add(
                observation, observation, np.zeros((1, 4), np.float32), np.full(1, -1.0, np.float32),
                np.array([False]), np.array([step == 1]),
            )  # fmt: skip


@requirement(
    "BEL-010",
    "From relabelled rewards alone the estimates MUST come to be off by at most a third of what a constant guess is, "
    f"after {UPDATES} steps of {LESSON_SIZE} pictures of SightEnv.",
    reason="parts that are right one by one can still fail together: this is what the track is for",
    source=REWARDS_ALONE,
    capability=Capability.BELIEF,
)
def test_rewards_teach_where_the_object_is(error_after: Callable[[bool], float]) -> None:
    error = error_after(False)
    assert error <= 1 / 3, (
        f"after {UPDATES} steps the estimates are off by {error:.0%} of what a constant guess is: look at the loss, at "
        "the units of goals and estimates, and at the averaged weights that see"
    )


@requirement(
    "BEL-011",
    "With rewards and goals permuted over the frames the estimates MUST be no better than a constant guess.",
    reason="an encoder that learns the position without its teacher has another one that nobody meant to give it",
    source="a permutation test: what is left after the permutation is a leak",
    capability=Capability.BELIEF,
)
def test_permuted_rewards_teach_nothing(error_after: Callable[[bool], float]) -> None:
    error = error_after(True)
    assert error >= 0.8, (
        f"with rewards of other frames the estimates are off by {error:.0%} of what a constant guess is: something "
        "else than frames, goals and rewards reaches the encoder"
    )
