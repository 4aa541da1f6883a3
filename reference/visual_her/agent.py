"""From a config to an agent: which policy, which extractor, which buffer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.sac.policies import MultiInputPolicy, SACPolicy

from visual_her.config import TrainConfig
from visual_her.encoders import ManipulationExtractor
from visual_her.policy import DrQv2SACPolicy
from visual_her.privileged import PrivilegedSAC, SightingBuffer
from visual_her.replay import HerFrameBuffer, RewardFunction
from visual_her.sac import PixelSAC

# Fields of a config that are called alike where they go.
_OF_EXTRACTOR = (
    *("encoder", "spatial_softmax", "feature_norm", "ortho_init", "goal_mode", "num_filters", "standardize"),
    "precision",
)
_OF_SAC = (
    *("learning_rate", "learning_starts", "batch_size", "tau", "gamma", "gradient_steps", "ent_coef"),
    *("overlap", "random_actions", "device", "seed"),
)


def build_agent(
    config: TrainConfig,
    env: VecEnv,
    compute_reward: RewardFunction,
    *,
    episode_length: int = 50,
    buffer_size: int | None = None,
) -> PixelSAC:
    """An untrained agent, seeded.

    Args:
        config: what to build.
        env: environments with both goals in their observations.
        compute_reward: the task's reward for batches of goals.
        episode_length: steps an episode.
        buffer_size: another size than the config's; evaluation needs no room.
    """
    if config.torch_threads:
        torch.set_num_threads(config.torch_threads)
    policy: type[SACPolicy] = DrQv2SACPolicy if config.critic_encoder else MultiInputPolicy
    policy_kwargs: dict[str, Any] = {
        "net_arch": list(config.net_arch),
        "optimizer_kwargs": {"fused": True},
        "features_extractor_class": ManipulationExtractor,
        "features_extractor_kwargs": {
            **{name: getattr(config, name) for name in _OF_EXTRACTOR},
            "proprioception": config.proprio,
        },
    }
    if not config.critic_encoder:
        policy_kwargs["share_features_extractor"] = config.share_encoder
    agent: Callable[..., PixelSAC] = PixelSAC
    if config.privileged:
        agent = functools.partial(PrivilegedSAC, precision=config.precision, total_steps=config.total_steps)
    built = agent(
        policy,
        env,
        **{name: getattr(config, name) for name in _OF_SAC},
        buffer_size=buffer_size or config.buffer_size,
        train_freq=1,
        replay_buffer_class=SightingBuffer if config.privileged else HerFrameBuffer,
        replay_buffer_kwargs={
            "compute_reward": compute_reward,
            "n_sampled_goal": config.her_n_sampled_goal,
            "random_goals": config.her_random_goals,
            "n_goals": config.goals_per_transition,
            "still_weight": config.still_weight,
            "episode_length": episode_length,
            "drq_pad": config.drq_pad if config.uses_drq else 0,
            **({"image_size": config.image_size} if config.privileged else _storage(config, env)),
        },
        policy_kwargs=policy_kwargs,
        target_bounds=(-1 / (1 - config.gamma), 0.0) if config.clip_targets else None,
    )
    if config.compile:
        for part in (built.critic, built.critic_target, built.actor):
            part.features_extractor.compile_encoder()  # type: ignore[operator]
    return built


def _storage(config: TrainConfig, env: VecEnv) -> dict[str, Any]:
    if config.storage == "raw" or not config.encodes_pixels:
        return {}
    from visual_her.compressed_frames import claimed_frame_bytes

    shape = (3, *env.observation_space["pixels"].shape[1:])  # type: ignore[index]
    return {"storage": config.storage, "frame_bytes": claimed_frame_bytes(shape, config.camera)}
