"""Stock Stable-Baselines3 ``SAC``: its CombinedExtractor with NatureCNN, its two routings, its HER buffer."""

from __future__ import annotations

from typing import Any

from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import VecEnv
from visual_her.pixel_env import PixelObservationWrapper
from visual_her_spec.sb3 import SB3Implementation

GAMMA, TAU, ENTROPY = 0.95, 0.005, 0.05


def _sac(share_features_extractor: bool) -> Any:
    def make(env: VecEnv, *, goal_mode: str, seed: int) -> SAC:
        return SAC(
            "MultiInputPolicy",
            env,
            learning_rate=1e-3,
            gamma=GAMMA,
            tau=TAU,
            ent_coef=ENTROPY,  # type: ignore[arg-type]
            buffer_size=10,
            policy_kwargs={"share_features_extractor": share_features_extractor, "net_arch": [64, 64]},
            seed=seed,
            device="cpu",
        )

    return make


def _implementation(name: str, share_features_extractor: bool) -> SB3Implementation:
    return SB3Implementation(
        name=name,
        make_sac=_sac(share_features_extractor),
        wrap=PixelObservationWrapper,  # SB3 has none
        gamma=GAMMA,
        tau=TAU,
        entropy_coefficient=ENTROPY,
    )


SEPARATE = _implementation("stock SB3 SAC, separate extractors", share_features_extractor=False)
SHARED = _implementation("stock SB3 SAC, share_features_extractor=True", share_features_extractor=True)
