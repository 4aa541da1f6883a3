"""ENC: what the encoder computes."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from visual_her_spec.catalogue import Profile, requirement
from visual_her_spec.protocol import Capability, Implementation

CHAPTER_SECTION = "chapter section 9.5"


def fetch_space(size: int = 84, frame_stack: int = 4) -> spaces.Dict:
    """The chapter's observation space."""
    return spaces.Dict(
        {
            "pixels": spaces.Box(0, 255, (3 * frame_stack, size, size), np.uint8),
            "proprioception": spaces.Box(-np.inf, np.inf, (10,), np.float64),
            "achieved_goal": spaces.Box(-np.inf, np.inf, (3,), np.float64),
            "desired_goal": spaces.Box(-np.inf, np.inf, (3,), np.float64),
        }
    )


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
    assert shape == (2, 32, 21, 21), f"the feature map is {shape}, not (2, 32, 21, 21): check kernels, padding and strides"


@requirement(
    "ENC-002",
    "Keypoints MUST lie in [-1, 1], for any feature map.",
    reason="they are expected positions on that grid",
    source="Levine et al. 2016, arXiv:1504.00702",
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
    assert np.abs(keypoints).max() <= 1, f"a keypoint lies at {np.abs(keypoints).max()}, outside of [-1, 1]"
