"""ENC: what the encoder computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visual_her_spec.batches import SMALL_SPACE, Array, fetch_space, listed, make_agent, random_observations
from visual_her_spec.catalogue import Profile, requirement
from visual_her_spec.protocol import Capability, GoalMode, Implementation, Observations

CHAPTER_SECTION = "chapter section 9.5"
LEVINE = "Levine et al. 2016, arXiv:1504.00702"
HIDDEN_GOALS: list[tuple[GoalMode, tuple[str, ...]]] = [
    ("desired", ("achieved_goal",)),
    ("none", ("achieved_goal", "desired_goal")),
]


@requirement(
    "ENC-001",
    "ManipulationCNN MUST turn pixels (B, 12, 84, 84) into a feature map (B, 32, 21, 21).",
    reason="a smaller map loses the puck, which is 3 pixels wide",
    source=CHAPTER_SECTION,
    profile=Profile.CHAPTER,
)
def test_feature_map_shape(impl: Implementation) -> None:
    encoder = impl.make_encoder(fetch_space())
    shape = encoder.feature_map(np.zeros((2, 12, 84, 84), np.uint8)).shape
    assert shape == (2, 32, 21, 21), (
        f"the feature map is {shape}, not (2, 32, 21, 21): check kernels, padding and strides"
    )


@requirement(
    "ENC-002",
    "Keypoints MUST lie in [-1, 1], for any feature map.",
    reason="they are expected positions on that grid",
    source=LEVINE,
    capability=Capability.SPATIAL_SOFTMAX,
)
@given(
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    scale=st.sampled_from([0.0, 1.0, 30.0, 1e4]),
    seed=st.integers(0, 2**16),
)
def test_keypoints_stay_in_range(impl: Implementation, height: int, width: int, scale: float, seed: int) -> None:
    feature_map = np.random.default_rng(seed).normal(0, scale, (2, 3, height, width)).astype(np.float32)
    keypoints = impl.make_encoder(fetch_space(16, 1)).keypoints(feature_map)
    assert keypoints.shape == (2, 3, 2), f"keypoints are {keypoints.shape}, not (batch, channels, 2)"
    assert np.isfinite(keypoints).all(), "keypoints of a finite map are not finite: subtract the maximum before exp"
    assert np.abs(keypoints).max() <= 1, (
        f"a keypoint lies at {np.abs(keypoints).max()}, outside of [-1, 1]: weigh the grid by weights that sum to 1"
    )


# ------------------------------------------------------------------------------------------------- pixels


@requirement(
    "ENC-003",
    "The network's input MUST be floating point, with black and white exactly 1 apart: [0, 1], or centred on 0.",
    reason="pixels that are divided by 255 twice are all but black, and those that never are saturate the network",
    source="Stable-Baselines3 normalize_images, DLR-RM/stable-baselines3",
)
def test_pixels_are_scaled_once(impl: Implementation) -> None:
    encoder = impl.make_encoder(SMALL_SPACE)
    black, white = (
        encoder.network_input(np.full((1, *SMALL_SPACE["pixels"].shape), grey, np.uint8))  # type: ignore[misc]
        for grey in (0, 255)
    )
    assert np.issubdtype(black.dtype, np.floating), f"the network receives {black.dtype}: convert pixels to float first"
    contrast = float(white.max() - black.min())
    assert abs(contrast - 1) < 1e-6, (
        f"black and white are {contrast:.3g} apart, not 1: divide pixels by 255 exactly once"
    )
    low = float(black.min())
    assert min(abs(low), abs(low + 0.5)) < 1e-6, (
        f"black is {low:.3g} for the network: scale pixels to [0, 1] or [-0.5, 0.5]"
    )


@requirement(
    "ENC-004",
    "Features MUST depend on the pixels.",
    reason="an encoder that is blind learns from the vectors alone, and the learning curve does not tell",
    source=CHAPTER_SECTION,
)
def test_features_see_the_pixels(impl: Implementation) -> None:
    observations = random_observations(2, np.random.default_rng(0))
    observations |= {key: np.repeat(v[:1], 2, axis=0) for key, v in observations.items() if key != "pixels"}
    features = impl.make_encoder(SMALL_SPACE).features(observations)
    assert np.any(features[0] != features[1]), "two pictures have the same features: feed the pixels to the encoder"


@requirement(
    "ENC-005",
    "The features of an observation MUST NOT depend on the rest of the batch.",
    reason="an agent acts on single observations; statistics of a batch make it another function than the trained one",
    source="Stooke et al. 2021, arXiv:2009.08319: no batch normalisation in off-policy encoders",
)
def test_features_are_of_one_sample(impl: Implementation) -> None:
    encoder = impl.make_encoder(SMALL_SPACE)
    observations = random_observations(5, np.random.default_rng(0))
    alone = encoder.features({key: value[:1] for key, value in observations.items()})
    off = float(np.abs(encoder.features(observations)[0] - alone[0]).max())
    assert off < 1e-4, (
        f"a sample's features change by {off:.3g} with its batch: leave batch statistics out of the encoder"
    )


# -------------------------------------------------------------------------------------------- goal vectors


def _with_other(observations: Observations, key: str) -> dict[str, Array]:
    return {**observations, key: observations[key] + 1.0}


@requirement(
    "ENC-006",
    "Features MUST NOT depend on a goal vector that goal_mode withholds, and MUST depend on those that it grants.",
    reason="achieved_goal is the object's exact position: with it in sight, 'from pixels' means nothing",
    source="chapter section 9.3",
    capability=Capability.GOAL_MODES,
)
def test_goal_mode_decides_what_features_hold(impl: Implementation) -> None:
    observations = random_observations(3, np.random.default_rng(0))
    for goal_mode, hidden in [*HIDDEN_GOALS, ("both", ())]:
        encoder = impl.make_encoder(SMALL_SPACE, goal_mode=goal_mode)
        features = encoder.features(observations)
        for key in ("achieved_goal", "desired_goal"):
            seen = bool(np.any(features != encoder.features(_with_other(observations, key))))
            assert not (seen and key in hidden), (
                f"goal_mode={goal_mode!r} shows the features {key}: leave it out of them"
            )
            assert seen or key in hidden, (
                f"goal_mode={goal_mode!r} grants {key}, but no feature changes with it: pass it on"
            )


@requirement(
    "ENC-007",
    "Neither the actor nor the critic of an agent MUST see a goal vector that its goal_mode withholds.",
    reason="a critic that sees the object's position teaches an actor that does not, and the control is void",
    source="chapter section 9.3",
    capability=Capability.GOAL_MODES,
)
def test_goal_mode_binds_actor_and_critic(impl: Implementation) -> None:
    observations = random_observations(3, np.random.default_rng(0))
    actions = np.zeros((3, 4), np.float32)
    for goal_mode, hidden in HIDDEN_GOALS:
        agent = make_agent(impl, goal_mode=goal_mode)
        for key in hidden:
            other = _with_other(observations, key)
            q_values = (agent.q_values(observations, actions), agent.q_values(other, actions))
            assert np.array_equal(*q_values), (
                f"goal_mode={goal_mode!r}, but the critic sees {key}: leave it out of its input"
            )
            acts = (agent.act(observations, deterministic=True), agent.act(other, deterministic=True))
            assert np.array_equal(*acts), (
                f"goal_mode={goal_mode!r}, but the actor sees {key}: leave it out of its input"
            )


# ----------------------------------------------------------------------------------------------- keypoints


def _peak(height: int, width: int, cells: list[tuple[int, int]], value: float = 100.0) -> Array:
    """A (1, 1, height, width) map that is 0 but in some (row, column)."""
    feature_map = np.zeros((1, 1, height, width), np.float32)
    for row, column in cells:
        feature_map[0, 0, row, column] = value
    return feature_map


def _off_grid(position: float, index: float, size: int) -> float:
    """Distance from a cell's place on [-1, 1], whose ends may be the outer cells' centres or their edges."""
    return min(abs(position - (2 * index / (size - 1) - 1)), abs(position - ((2 * index + 1) / size - 1)))


def _check_peaks(impl: Implementation, height: int, width: int) -> None:
    keypoints = impl.make_encoder(SMALL_SPACE).keypoints
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            x, y = map(float, keypoints(_peak(height, width, [(row, column)]))[0, 0])
            assert max(_off_grid(x, column, width), _off_grid(y, row, height)) < 0.01, (
                f"a peak in row {row}, column {column} of a {height}x{width} map is found at ({x:.3f}, {y:.3f}): give "
                "x, the column, before y, the row, on a grid from -1 to 1"
            )
    for row, y_sign in ((0, -1), (height - 1, 1)):
        for column, x_sign in ((0, -1), (width - 1, 1)):
            x, y = map(float, keypoints(_peak(height, width, [(row, column)]))[0, 0])
            assert x * x_sign > 0.5 < y * y_sign, (
                f"a peak in the corner at row {row}, column {column} of a {height}x{width} map is found at "
                f"({x:.3f}, {y:.3f}): x grows to the right and y downwards"
            )


@requirement(
    "ENC-008",
    "A single sharp peak of a square map MUST give its place as the keypoint (x, y): x the column, y the row.",
    reason="swapped or mirrored axes go unnoticed by the network, but not by whoever reads or transfers keypoints",
    source=f"{LEVINE}; kornia/kornia#353",
    capability=Capability.SPATIAL_SOFTMAX,
)
def test_peak_is_found(impl: Implementation) -> None:
    _check_peaks(impl, 7, 7)


@requirement(
    "ENC-009",
    "A single sharp peak of a map that is not square MUST give its place as the keypoint.",
    reason="a grid that is flattened in the other order than the map is right on square maps only",
    source=f"{LEVINE}; kornia/kornia#2498",
    capability=Capability.SPATIAL_SOFTMAX,
)
@pytest.mark.parametrize(("height", "width"), [(5, 9), (8, 4)])
def test_peak_is_found_on_maps_that_are_not_square(impl: Implementation, height: int, width: int) -> None:
    _check_peaks(impl, height, width)


@requirement(
    "ENC-010",
    "Moving a pattern by one cell MUST move its keypoint by one step of the grid, on that axis only.",
    reason="that is what makes a keypoint a coordinate, and what a small object's motion is read from",
    source=LEVINE,
    capability=Capability.SPATIAL_SOFTMAX,
)
@given(data=st.data(), height=st.integers(6, 20), width=st.integers(6, 20), seed=st.integers(0, 2**16))
def test_translation_by_one_cell(impl: Implementation, data: st.DataObject, height: int, width: int, seed: int) -> None:
    row, column = data.draw(st.integers(1, height - 5)), data.draw(st.integers(1, width - 5))
    blob = np.random.default_rng(seed).uniform(0, 3, (3, 3))

    def keypoint(down: int, right: int) -> Array:
        feature_map = np.full((1, 1, height, width), -1e3, np.float32)
        feature_map[0, 0, row + down : row + down + 3, column + right : column + right + 3] = blob
        found: Array = impl.make_encoder(SMALL_SPACE).keypoints(feature_map)[0, 0]
        return found

    start = keypoint(0, 0)
    for axis, name, moved, size in ((0, "x", keypoint(0, 1), width), (1, "y", keypoint(1, 0), height)):
        step, aside = float((moved - start)[axis]), float((moved - start)[1 - axis])
        assert min(abs(step - 2 / (size - 1)), abs(step - 2 / size)) < 2e-3, (
            f"a blob moved by one of {size} cells along {name} moves its keypoint by {step:.4f} instead of one step of "
            f"the grid, {2 / (size - 1):.4f}: sum over an evenly spaced grid from -1 to 1, in float32"
        )
        assert abs(aside) < 1e-4, (
            f"a blob moved along {name} moves its keypoint by {aside:.3g} on the other axis, not by 0"
        )


@requirement(
    "ENC-011",
    "A channel's keypoint MUST NOT depend on the other channels.",
    reason="a softmax over channels instead of positions still trains, and says nothing about where things are",
    source=LEVINE,
    capability=Capability.SPATIAL_SOFTMAX,
)
@given(height=st.integers(2, 12), width=st.integers(2, 12), seed=st.integers(0, 2**16))
def test_channels_are_independent(impl: Implementation, height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    feature_map = rng.normal(0, 2, (2, 4, height, width)).astype(np.float32)
    other = feature_map.copy()
    other[:, 2] = rng.normal(0, 2, (2, height, width))
    keypoints = impl.make_encoder(SMALL_SPACE).keypoints
    change = np.abs(keypoints(other) - keypoints(feature_map))
    assert change[:, 2].max() > 0, "a channel's keypoint ignores its own channel: take it from that channel's map"
    aside = float(change[:, [0, 1, 3]].max())
    assert aside < 1e-5, (
        f"a change of one channel moves another's keypoint by {aside:.3g}: softmax over positions, per channel"
    )


@requirement(
    "ENC-012",
    "A uniform map MUST give the keypoint (0, 0).",
    reason="the grid is centred: a channel that sees nothing points at the middle",
    source=LEVINE,
    capability=Capability.SPATIAL_SOFTMAX,
)
@given(height=st.integers(1, 24), width=st.integers(1, 24), value=st.sampled_from([-3.0, 0.0, 5.0]))
def test_uniform_map_points_at_the_centre(impl: Implementation, height: int, width: int, value: float) -> None:
    keypoints = impl.make_encoder(SMALL_SPACE).keypoints(np.full((1, 2, height, width), value, np.float32))
    off = float(np.abs(keypoints).max())
    assert off < 1e-5, f"a uniform {height}x{width} map points {off:.3f} away from the centre: use a grid from -1 to 1"


@requirement(
    "ENC-013",
    "A higher temperature MUST flatten the softmax: a peak's keypoint comes nearer to the centre.",
    reason="a temperature that multiplies learns the other way round, and a checkpoint's means something else",
    source=CHAPTER_SECTION,
    profile=Profile.CHAPTER,
    capability=Capability.SPATIAL_SOFTMAX,
)
def test_temperature_flattens(impl: Implementation) -> None:
    keypoints = impl.make_encoder(SMALL_SPACE).keypoints
    mild = _peak(7, 9, [(1, 7)], value=4.0)
    cold, warm, hot = (float(np.abs(keypoints(mild, temperature)).sum()) for temperature in (0.5, 1.0, 2.0))
    assert cold > warm > hot, (
        f"at temperatures 0.5, 1 and 2 a peak lies {cold:.2f}, {warm:.2f} and {hot:.2f} from the centre, which should "
        "fall: divide the map by the temperature"
    )


@requirement(
    "ENC-014",
    "A constant added to a map MUST NOT change its keypoints.",
    reason="weights that are not a softmax's depend on brightness instead of on where the maximum is",
    source=LEVINE,
    capability=Capability.SPATIAL_SOFTMAX,
)
@given(height=st.integers(2, 16), width=st.integers(2, 16), constant=st.sampled_from([-64.0, 8.0, 64.0]))
def test_constant_changes_nothing(impl: Implementation, height: int, width: int, constant: float) -> None:
    eighths = np.random.default_rng(height * width).integers(0, 32, (1, 2, height, width)) / 8  # exact in float32
    keypoints = impl.make_encoder(SMALL_SPACE).keypoints
    one, other = (keypoints((eighths + added).astype(np.float32)) for added in (0.0, constant))
    off = float(np.abs(one - other).max())
    assert off < 1e-4, (
        f"{constant:g} added to a map moves a keypoint by {off:.3g}: weigh positions by a softmax of the map"
    )


@requirement(
    "ENC-015",
    "A keypoint MUST be the expected position: two equal peaks give the point half-way between them.",
    reason="the position of the maximum has no gradient, so nothing behind it trains",
    source=LEVINE,
    capability=Capability.SPATIAL_SOFTMAX,
)
def test_keypoint_is_an_expectation(impl: Implementation) -> None:
    x, y = map(float, impl.make_encoder(SMALL_SPACE).keypoints(_peak(9, 13, [(1, 3), (5, 8)]))[0, 0])
    assert max(_off_grid(x, 5.5, 13), _off_grid(y, 3, 9)) < 0.01, (
        f"two equal peaks give ({x:.3f}, {y:.3f}) instead of their midpoint: weigh the grid by the softmax and sum"
    )


# ------------------------------------------------------------------------------------------------ assembly


@requirement(
    "ENC-016",
    "Features MUST number 64 + 10 + 3 + 3 = 80 with both goals, 77 with the desired one and 74 without.",
    reason="a missing or repeated part changes what the networks know",
    source="chapter section 9.6",
    profile=Profile.CHAPTER,
    capability=Capability.SPATIAL_SOFTMAX,
)
def test_number_of_features(impl: Implementation) -> None:
    observations = random_observations(2, np.random.default_rng(0))
    sizes: list[tuple[GoalMode, int]] = [("both", 80), ("desired", 77), ("none", 74)]
    for goal_mode, size in sizes:
        shape = impl.make_encoder(SMALL_SPACE, goal_mode=goal_mode).features(observations).shape
        assert shape == (2, size), f"goal_mode={goal_mode!r} gives features {shape} for 2 observations, not (2, {size})"


@requirement(
    "ENC-017",
    "Proprioception and goals MUST pass through the encoder unchanged.",
    reason="HER rewrites the goals in their own units, and the networks have to see the same ones",
    source="chapter section 9.6",
    profile=Profile.CHAPTER,
)
def test_vectors_pass_through(impl: Implementation) -> None:
    observations = random_observations(4, np.random.default_rng(0), spread=3.0)
    features = impl.make_encoder(SMALL_SPACE).features(observations)
    for key in ("proprioception", "achieved_goal", "desired_goal"):
        size = observations[key].shape[1]
        blocks = (features[:, start : start + size] for start in range(features.shape[1] - size + 1))
        off = min(float(np.abs(block - observations[key]).max()) for block in blocks)
        assert off < 1e-5, f"no block of features is {key} (the nearest is {off:.3g} off): concatenate it as it is"


@requirement(
    "ENC-018",
    "The flatten variant MUST give 50 features for the pixels, 66 with proprioception and both goals.",
    reason="it is the control for SpatialSoftmax, and a wider one is another experiment",
    source=CHAPTER_SECTION,
    profile=Profile.CHAPTER,
    capability=Capability.FLATTEN,
)
def test_flatten_variant(impl: Implementation) -> None:
    observations = random_observations(2, np.random.default_rng(0))
    shape = impl.make_encoder(SMALL_SPACE, variant="flatten").features(observations).shape
    assert shape == (2, 66), f"the flatten variant gives features {shape} for 2 observations, not (2, 66)"


@requirement(
    "ENC-019",
    "The pixel features MUST be the keypoints of the feature map, in any order, or LayerNorm and Tanh of them.",
    reason="a pooled map has as many features and no positions",
    source=CHAPTER_SECTION,
    capability=Capability.SPATIAL_SOFTMAX,
)
def test_features_are_keypoints(impl: Implementation) -> None:
    encoder = impl.make_encoder(SMALL_SPACE)
    observations = random_observations(3, np.random.default_rng(0))
    observations |= {key: v + 100 for key, v in observations.items() if key != "pixels"}  # no keypoint by accident
    keypoints = encoder.keypoints(encoder.feature_map(observations["pixels"])).reshape(3, -1)  # (B, 2C)
    centred = keypoints - keypoints.mean(axis=1, keepdims=True)
    normalised = np.tanh(centred / np.sqrt(centred.var(axis=1, keepdims=True) + 1e-5))
    features = encoder.features(observations)

    def missing(wanted: Array) -> list[str]:
        off = np.abs(features[:, :, None] - wanted[:, None, :]).min(axis=1).max(axis=0)
        return [str(index) for index in np.flatnonzero(off > 1e-4)]

    absent = min(missing(keypoints), missing(normalised), key=len)
    assert not absent, (
        f"{listed(absent)} of {keypoints.shape[1]} coordinates are in no feature: end the encoder in keypoints"
    )
