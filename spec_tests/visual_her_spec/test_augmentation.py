"""AUG: DrQ's random shift, by itself and in replay."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from visual_her_spec.catalogue import requirement
from visual_her_spec.fake_env import compute_reward, frame_at, vectors_at
from visual_her_spec.protocol import Array, Batch, Capability, Implementation, ReplayProbe

DRQ = "Kostrikov et al. 2020, arXiv:2004.13649"
DRQ_V2 = "Yarats et al. 2022, arXiv:2107.09645"
CHAPTER = "chapter section 9.8"
Shift = tuple[int, int]

FRAME_STACK, SIZE, EPISODE_LENGTH, PAD = 3, 12, 5, 2


def noise(batch: int, channels: int, size: int, seed: int = 0) -> Array:
    """Images of which no part repeats, uint8 (batch, channels, size, size)."""
    return np.random.default_rng(seed).integers(0, 256, (batch, channels, size, size), dtype=np.uint8)


def shifts_within(reach: int) -> list[Shift]:
    """All whole (rows, columns) up to ``reach``, the small ones first."""
    offsets = range(-reach, reach + 1)
    return sorted(((r, c) for r in offsets for c in offsets), key=lambda shift: abs(shift[0]) + abs(shift[1]))


def distances(images: Array, outputs: Array, shifts: list[Shift], mode: str = "edge", margin: int = 0) -> Array:
    """How far each (C, H, W) of ``outputs`` is from its image under each shift, (B, shifts), in grey levels.

    Args:
        images: (B, C, H, W).
        outputs: like ``images``.
        shifts: whole (rows, columns).
        mode: how NumPy pads what comes in from outside.
        margin: pixels at the border that do not count.
    """
    assert outputs.shape == images.shape, f"{images.shape} became {outputs.shape}: crop to the size that came in"
    reach = max(max(map(abs, shift)) for shift in shifts)
    padded = np.pad(images.astype(np.int16), [(0, 0), (0, 0), (reach, reach), (reach, reach)], mode=mode)  # type: ignore[call-overload]
    first, last = margin, images.shape[-1] - margin
    found = []
    for rows, columns in shifts:
        crop = padded[
            :, :, reach + rows + first : reach + rows + last, reach + columns + first : reach + columns + last
        ]
        found.append(np.abs(crop - outputs[:, :, first:last, first:last]).max(axis=(1, 2, 3)))
    return np.stack(found, axis=1)


def shifts_of(images: Array, outputs: Array, pad: int, mode: str = "edge", margin: int = 0) -> list[Shift | None]:
    """The shift of each (C, H, W), ``None`` where it is none; looks two pixels beyond ``pad``."""
    shifts = shifts_within(pad + 2)
    close = distances(images, outputs, shifts, mode, margin) <= 1  # grid_sample rounds
    return [shifts[int(row.argmax())] if row.any() else None for row in close]


@pytest.fixture(scope="module", params=[1, 4], ids="pad {}".format)
def drawn(request: pytest.FixtureRequest, impl: Implementation) -> tuple[int, list[Shift]]:
    """A pad, and 2,000 shifts drawn with it over 20 seeds."""
    pad: int = request.param
    margin = pad + 2  # the padding is another requirement's concern
    images = noise(100, 1, 6 + 2 * margin)
    shifts: list[Shift | None] = []
    for seed in range(20):
        shifts += shifts_of(images, impl.random_shift(images, pad=pad, seed=seed), pad, margin=margin)
    return pad, [shift for shift in shifts if shift]


@requirement(
    "AUG-001",
    "A random shift MUST keep shape and dtype.",
    reason="a float image is divided by 255 once less, or once more, than a stored one",
    source=DRQ,
    capability=Capability.RANDOM_SHIFT,
)
@given(batch=st.integers(1, 5), frames=st.integers(1, 4), size=st.integers(9, 24), pad=st.integers(0, 4))
def test_shape_and_dtype_are_kept(impl: Implementation, batch: int, frames: int, size: int, pad: int) -> None:
    images = noise(batch, 3 * frames, size)
    output = impl.random_shift(images, pad=pad, seed=1)
    assert output.shape == images.shape, f"{images.shape} became {output.shape}: crop to the size that came in"
    assert output.dtype == np.uint8, f"uint8 became {output.dtype}: give back the dtype that came in"


@requirement(
    "AUG-002",
    "Each shifted image MUST be the padded image cropped at a whole offset, within one grey level.",
    reason="a fractional shift blurs, and the puck is 3 pixels wide",
    source=DRQ,
    capability=Capability.RANDOM_SHIFT,
)
@given(frames=st.integers(1, 3), inside=st.integers(4, 12), pad=st.integers(1, 4), seed=st.integers(0, 999))
def test_every_output_is_a_whole_shift(impl: Implementation, frames: int, inside: int, pad: int, seed: int) -> None:
    margin = 2 * pad + 1
    images = noise(3, 3 * frames, inside + 2 * margin)
    outputs = impl.random_shift(images, pad=pad, seed=seed)
    # Away from the border and channel by channel: neither padding nor the stack is this requirement's concern.
    channels = [array.reshape(-1, 1, *array.shape[2:]) for array in (images, outputs)]
    nearest = int(distances(channels[0], channels[1], shifts_within(margin), margin=margin).min(axis=1).max())
    assert nearest <= 1, (
        f"with pad {pad} an image is {nearest} grey levels away from any whole shift of itself: "
        "shift by whole pixels and do not interpolate"
    )


@requirement(
    "AUG-003",
    "No shift MUST exceed pad, on either axis.",
    reason="a larger shift moves the puck out of the picture and the gripper off its goal",
    source=DRQ,
    capability=Capability.RANDOM_SHIFT,
)
def test_no_shift_exceeds_the_pad(impl: Implementation, drawn: tuple[int, list[Shift]]) -> None:
    pad, shifts = drawn
    farthest = max((max(map(abs, shift)) for shift in shifts), default=0)
    assert farthest <= pad, f"with pad {pad} an image was shifted by {farthest} pixels: draw from -pad to +pad"


@requirement(
    "AUG-004",
    "Every offset from -pad to +pad MUST be drawn about equally often on each axis, rows independently of columns.",
    reason="a draw that leaves out +pad, or that moves along the diagonal only, augments less than it says",
    source=DRQ_V2,
    capability=Capability.RANDOM_SHIFT,
)
def test_shifts_are_uniform(impl: Implementation, drawn: tuple[int, list[Shift]]) -> None:
    pad, shifts = drawn
    assert shifts, "no output is a shift of its image: shift by whole pixels"
    offsets = range(-pad, pad + 1)
    expected = len(shifts) / len(offsets)
    for axis, name in enumerate(("rows", "columns")):
        count = Counter(shift[axis] for shift in shifts)
        for offset in offsets:
            assert 0.65 * expected < count[offset] < 1.4 * expected, (
                f"with pad {pad} {name} are shifted by {offset} in {count[offset]} of {len(shifts)} draws, "
                f"not in about {expected:.0f}: draw uniformly from -pad to +pad, both included"
            )
    missing = len(offsets) ** 2 - len(set(shifts) & {(r, c) for r in offsets for c in offsets})
    assert missing <= 0.02 * len(offsets) ** 2, (
        f"with pad {pad} {missing} of {len(offsets) ** 2} combinations of row and column offsets never occur in "
        f"{len(shifts)} draws: draw the two axes independently"
    )


@requirement(
    "AUG-005",
    "What a shift brings in from outside MUST repeat the border.",
    reason="black stripes are edges that every filter sees, and they tell the shift",
    source=DRQ,
    capability=Capability.RANDOM_SHIFT,
)
def test_the_border_is_repeated(impl: Implementation) -> None:
    pad = 3
    images = noise(20, 3, 12)
    outputs = impl.random_shift(images, pad=pad, seed=0)
    one_channel = images[:, :1], outputs[:, :1]  # the stack is another requirement's concern
    names = {"constant": "black", "reflect": "mirrored", "wrap": "the opposite border"}
    padding = {name: shifts_of(*one_channel, pad, mode).count(None) for mode, name in names.items()}
    likely = min(padding, key=lambda name: padding[name])
    wrong = shifts_of(*one_channel, pad).count(None)
    assert not wrong, (
        f"in {wrong} of 20 images what came in from outside is not the border repeated but probably {likely}: "
        "pad with mode 'replicate'"
    )


@requirement(
    "AUG-006",
    "All stacked frames of a sample MUST be shifted alike.",
    reason="frames that are shifted against each other show a velocity that is not there",
    source=CHAPTER,
    capability=Capability.RANDOM_SHIFT,
)
def test_a_stack_is_shifted_as_one(impl: Implementation) -> None:
    images = noise(16, 12, 16)
    outputs = impl.random_shift(images, pad=4, seed=0)
    by_channel = [shifts_of(images[:, at : at + 1], outputs[:, at : at + 1], 4) for at in range(12)]
    ways = max(len(set(shifts)) for shifts in zip(*by_channel, strict=True))
    assert ways == 1, f"the 12 channels of one stack are shifted in {ways} different ways: draw one shift a sample"


@requirement(
    "AUG-007",
    "Different samples of a batch MUST be shifted differently.",
    reason="one shift for the whole batch is one draw of the augmentation an update instead of 256",
    source=DRQ_V2,
    capability=Capability.RANDOM_SHIFT,
)
def test_samples_are_shifted_differently(impl: Implementation) -> None:
    image = noise(1, 3, 16).repeat(32, axis=0)
    different = len({output.tobytes() for output in impl.random_shift(image, pad=4, seed=0)})
    assert different >= 6, f"32 samples of a batch got {different} different shifts of 81: draw one shift a sample"


@requirement(
    "AUG-008",
    "With pad 0 a shift MUST change nothing.",
    reason="it is how the augmentation is switched off",
    source=CHAPTER,
    capability=Capability.RANDOM_SHIFT,
)
@given(size=st.integers(8, 24), seed=st.integers(0, 99))
def test_no_pad_no_shift(impl: Implementation, size: int, seed: int) -> None:
    images = noise(3, 6, size)
    off = int(distances(images, impl.random_shift(images, pad=0, seed=seed), [(0, 0)]).max())
    assert off <= 1, f"with pad 0 a pixel changed by {off} grey levels: return the image as it is"


@requirement(
    "AUG-009",
    "The same seed MUST repeat the shifts, and another one MUST draw others.",
    reason="a run repeats only if its augmentation does",
    source="Pineau et al. 2021, arXiv:2003.12206",
    capability=Capability.RANDOM_SHIFT,
)
def test_seeds_decide_the_shifts(impl: Implementation) -> None:
    images = noise(32, 3, 16)
    first, again, other = (impl.random_shift(images, pad=4, seed=seed) for seed in (1, 1, 2))
    repeated, differs = bool((first == again).all()), bool((first != other).any())
    assert repeated, "the same seed drew different shifts: draw them from a generator that was given the seed"
    assert differs, "two seeds drew the same shifts for 32 samples: pass the seed on to the generator"


# ---------------------------------------------------------------------------------------------------- in replay


def stack_at(episode: int, step: int) -> Array:
    """The pixels of one instant of the fake env, (3 * FRAME_STACK, SIZE, SIZE)."""
    steps = [max(step - age, 0) for age in reversed(range(FRAME_STACK))]
    return np.concatenate([frame_at(0, episode, at, SIZE).transpose(2, 0, 1) for at in steps])


def observation_at(episode: int, step: int) -> dict[str, Array]:
    """The observation of one instant of the fake env."""
    vectors = vectors_at(0, episode, step)
    return {"pixels": stack_at(episode, step), "proprioception": vectors.pop("observation"), **vectors}


def filled_replay(impl: Implementation) -> ReplayProbe:
    """Two episodes of one env in a replay that shifts by up to ``PAD``, without hindsight."""
    goal = spaces.Box(-np.inf, np.inf, (3,), np.float64)
    pixels = spaces.Box(0, 255, (3 * FRAME_STACK, SIZE, SIZE), np.uint8)
    proprioception = spaces.Box(-np.inf, np.inf, (4,), np.float64)
    replay = impl.make_replay(
        spaces.Dict({"pixels": pixels, "proprioception": proprioception, "achieved_goal": goal, "desired_goal": goal}),
        spaces.Box(-1, 1, (2,), np.float32),
        capacity=8 * EPISODE_LENGTH,
        n_envs=1,
        n_sampled_goal=0,
        compute_reward=compute_reward,
        episode_length=EPISODE_LENGTH,
        drq_pad=PAD,
    )
    for episode in range(2):
        for step in range(EPISODE_LENGTH):
            now, after = ({k: v[None] for k, v in observation_at(episode, step + ahead).items()} for ahead in (0, 1))
            over = np.array([step == EPISODE_LENGTH - 1])
            replay.add(now, after, np.zeros((1, 2), np.float32), np.array([-1.0]), np.array([False]), over)
    return replay


def shifts_in(batch: Batch, channels: slice = slice(None)) -> tuple[list[Shift | None], list[Shift | None]]:
    """The shifts of each observation and next observation, measured in ``channels``, away from the border."""
    instants = batch.observations["achieved_goal"].astype(int)
    now = np.stack([stack_at(episode, step) for step, episode, _ in instants])[:, channels]
    after = np.stack([stack_at(episode, step + 1) for step, episode, _ in instants])[:, channels]
    pixels, next_pixels = (o["pixels"][:, channels] for o in (batch.observations, batch.next_observations))
    return shifts_of(now, pixels, PAD, margin=PAD + 2), shifts_of(after, next_pixels, PAD, margin=PAD + 2)


@requirement(
    "AUG-010",
    "Replay with DrQ MUST give each sampled stack shifted as one, by up to pad, and its vectors untouched.",
    reason="what is augmented in storage drifts with each draw, and a shifted goal is another goal",
    source=CHAPTER,
    capability=Capability.RANDOM_SHIFT,
)
def test_replay_shifts_pixels_and_nothing_else(impl: Implementation) -> None:
    replay = filled_replay(impl)
    for _ in range(4):
        batch = replay.sample(64)
        for index, pair in enumerate(zip(*shifts_in(batch), strict=True)):
            step, episode, _ = batch.observations["achieved_goal"][index].astype(int)
            for name, shift, observations, at in (
                ("an observation", pair[0], batch.observations, step),
                ("a next observation", pair[1], batch.next_observations, step + 1),
            ):
                assert shift is not None, (
                    f"{name} is no shift of the stored stack: shift all its frames alike, once, "
                    "and never what is stored"
                )
                assert max(map(abs, shift)) <= PAD, (
                    f"{name} is shifted by {shift} with pad {PAD}: augment what is sampled and never what is stored"
                )
                expected = observation_at(episode, at)
                wrong = [
                    key
                    for key in expected
                    if key != "pixels" and not np.allclose(observations[key][index], expected[key])
                ]
                assert not wrong, f"{wrong[0]} of {name} changed under DrQ: shift pixels only"


@requirement(
    "AUG-011",
    "Replay with DrQ MUST draw the shifts of observation and next observation independently.",
    reason="DrQ regularises the target by another view; the same shift for both is one view",
    source=DRQ,
    capability=Capability.RANDOM_SHIFT,
)
def test_observation_and_next_observation_are_shifted_independently(impl: Implementation) -> None:
    newest_frame = slice(-3, None)
    drawn = zip(*shifts_in(filled_replay(impl).sample(400), newest_frame), strict=True)
    pairs = np.array([(now, after) for now, after in drawn if now and after])  # (n, 2, 2)
    assert len(pairs) > 200, (
        f"{len(pairs)} of 400 sampled pairs are shifts of what was stored: shift by whole pixels, once"
    )
    alike = float((pairs[:, 0] == pairs[:, 1]).all(axis=1).mean())
    assert alike < 0.2, (
        f"observation and next observation have the same shift in {alike:.0%} of the batch, not in about 4%: draw twice"
    )
    for axis, name in enumerate(("row", "column")):
        now, after = pairs[:, 0, axis], pairs[:, 1, axis]
        correlation = float(np.corrcoef(now, after)[0, 1]) if now.std() and after.std() else 0.0
        assert abs(correlation) < 0.3, (
            f"{name} shifts of observation and next observation correlate by {correlation:.2f}: draw them independently"
        )


@requirement(
    "AUG-012",
    "Replay with DrQ MUST draw new shifts, of observation and next observation, each time a transition is sampled.",
    reason="a shift that is fixed when the frame is stored is no augmentation",
    source=DRQ,
    capability=Capability.RANDOM_SHIFT,
)
def test_a_transition_is_shifted_anew_each_time(impl: Implementation) -> None:
    replay = filled_replay(impl)
    views: dict[str, dict[bytes, set[bytes]]] = {"observation": {}, "next observation": {}}
    orders: list[list[Shift | None]] = []
    for _ in range(5):
        batch = replay.sample(80)
        orders.append(shifts_in(batch, slice(-1, None))[0])
        for observations, seen in zip((batch.observations, batch.next_observations), views.values(), strict=True):
            for instant, pixels in zip(observations["achieved_goal"], observations["pixels"], strict=True):
                seen.setdefault(instant.tobytes(), set()).add(pixels.tobytes())
    for name, seen in views.items():
        fewest = min(map(len, seen.values()))
        assert fewest >= 4, f"{name}s sampled about 40 times got {fewest} different shifts of 25: draw when sampling"
    repeated = any(left == right and any(left) for left, right in itertools.pairwise(orders))
    assert not repeated, "two batches in a row got the same shifts: go on with one generator, do not seed it anew"


@requirement(
    "AUG-013",
    "Acting and valuing MUST see the pixels as they are: the same observation gives the same answer each time.",
    reason="a shift at act time moves what the policy aims at",
    source=CHAPTER,
    capability=Capability.RANDOM_SHIFT,
)
def test_nothing_is_shifted_at_act_time(impl: Implementation) -> None:
    pixels, vector = spaces.Box(0, 255, (12, 36, 36), np.uint8), spaces.Box(-np.inf, np.inf, (3,), np.float64)
    agent = impl.make_agent(
        spaces.Dict({"pixels": pixels, "proprioception": vector, "achieved_goal": vector, "desired_goal": vector}),
        spaces.Box(-1, 1, (4,), np.float32),
    )
    vectors = {key: np.zeros((4, 3)) for key in ("proprioception", "achieved_goal", "desired_goal")}
    observations = {"pixels": noise(4, 12, 36), **vectors}
    for name, answers in (
        ("deterministic actions", [agent.act(observations, deterministic=True) for _ in range(4)]),
        ("Q values", [agent.q_values(observations, np.zeros((4, 4), np.float32)) for _ in range(4)]),
    ):
        spread = max(float(np.abs(answer - answers[0]).max()) for answer in answers)
        assert spread < 1e-6, (
            f"{name} for the same pixels differ by {spread:.2g} from call to call: augment in updates only"
        )
