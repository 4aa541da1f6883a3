"""From a config to an agent: which policy, which extractor, which buffer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.sac.policies import MultiInputPolicy, SACPolicy

from visual_her.belief import BeliefVecEnv
from visual_her.classifier import SuccessClassifier
from visual_her.config import TrainConfig
from visual_her.encoders import ManipulationExtractor, Precision
from visual_her.policy import DrQv2SACPolicy
from visual_her.replay import HerFrameBuffer, RewardFunction
from visual_her.rewards_alone import BeliefBuffer, BeliefSAC
from visual_her.sac import PixelSAC

# Fields of a config that are called alike where they go.
_OF_EXTRACTOR = (
    *("encoder", "spatial_softmax", "feature_norm", "ortho_init", "goal_mode", "num_filters", "standardize"),
    "strides",
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
    precision = precision_of(config)
    policy: type[SACPolicy] = DrQv2SACPolicy if config.critic_encoder else MultiInputPolicy
    policy_kwargs: dict[str, Any] = {
        "net_arch": list(config.net_arch),
        "optimizer_kwargs": {"fused": True},
        "features_extractor_class": ManipulationExtractor,
        "features_extractor_kwargs": {
            **{name: getattr(config, name) for name in _OF_EXTRACTOR},
            "proprioception": config.proprio,
            "precision": precision,
        },
    }
    if not config.critic_encoder:
        policy_kwargs["share_features_extractor"] = config.share_encoder
    agent: Callable[..., PixelSAC] = PixelSAC
    if config.belief:
        torch.manual_seed(config.seed)
        goals: Any = env.observation_space["desired_goal"]  # type: ignore[index]
        classifier = SuccessClassifier(
            goals.shape[0], num_filters=config.num_filters, strides=config.strides, precision=precision
        )
        env = BeliefVecEnv(env, classifier, config.belief_filter)
        agent = functools.partial(
            BeliefSAC,
            classifier=classifier,
            filter_name=config.belief_filter,
            near_goals=config.near_goals,
        )
    built = agent(
        policy,
        env,
        **{name: getattr(config, name) for name in _OF_SAC},
        buffer_size=buffer_size or config.buffer_size,
        train_freq=1,
        replay_buffer_class=BeliefBuffer if config.belief else HerFrameBuffer,
        replay_buffer_kwargs={
            "compute_reward": compute_reward,
            "n_sampled_goal": config.her_n_sampled_goal,
            "n_steps": config.n_steps,
            "gamma": config.gamma,
            "still_weight": config.still_weight,
            "episode_length": episode_length,
            "drq_pad": config.drq_pad if config.uses_drq else 0,
            **({"filter_name": config.belief_filter} if config.belief else {}),
            **_storage(config, env),
        },
        policy_kwargs=policy_kwargs,
        anneal_over=config.total_steps if config.anneal else None,
        target_bounds=(-1 / (1 - config.gamma), 0.0) if config.clip_targets else None,
    )
    if config.compile:
        for part in (built.critic, built.critic_target, built.actor):
            part.features_extractor.compile_encoder()  # type: ignore[operator]
    return built


def precision_of(config: TrainConfig) -> Precision:
    """That of the convolutions; ``auto`` is bfloat16 on a GPU and on a CPU with AMX, and float32 elsewhere."""
    if config.precision != "auto":
        return config.precision
    on_gpu = config.device.startswith("cuda") or (config.device == "auto" and torch.cuda.is_available())
    return "bfloat16" if on_gpu or torch.cpu.get_capabilities().get("amx_bf16") else "float32"


def _storage(config: TrainConfig, env: VecEnv) -> dict[str, Any]:
    if config.storage == "raw" or not config.uses_pixels:
        return {}
    from visual_her.compressed_frames import claimed_frame_bytes

    shape = (3, *env.observation_space["pixels"].shape[1:])  # type: ignore[index]
    return {"storage": config.storage, "frame_bytes": claimed_frame_bytes(shape, config.camera)}
