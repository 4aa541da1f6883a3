"""The named recipes: each is a ``TrainConfig``, written as what it changes in another one."""

from __future__ import annotations

import dataclasses

from visual_her.config import CHAPTER, TrainConfig
from visual_her.errors import UsageError

FAST_STATE = TrainConfig(
    full_state=True, standardize=True, n_envs=8, overlap=True, gradient_steps=2, learning_rate=1e-3, clip_targets=True,
    random_actions=0.1, learning_starts=4_000, her_n_sampled_goal=8, buffer_size=200_000, total_steps=200_000,
    checkpoint_freq=50_000, torch_threads=1, patience=150_000,
)  # fmt: skip

LAPTOP = dataclasses.replace(
    FAST_STATE, full_state=False, belief=True, goal_mode="desired", goal_marker="hidden", camera="close",
    frame_stack=1, image_size=42, strides=(2, 2, 1, 1), precision="auto", n_steps=3, batch_size=512, still_weight=0.2,
    learning_starts=8_000, anneal=True, buffer_size=150_000,
)  # fmt: skip

FAST = dataclasses.replace(LAPTOP, image_size=84, n_envs=16, gradient_steps=4)

DEMO = dataclasses.replace(
    CHAPTER, env="FetchReach-v4", total_steps=5_000, buffer_size=5_000, her_n_sampled_goal=4, standardize=True,
    image_size=42, batch_size=64, learning_rate=1e-3, tau=0.02, ent_coef=0.02, learning_starts=500, torch_threads=1,
    checkpoint_freq=0, patience=4_000, overlap=True,
)  # fmt: skip

SIGHT = dataclasses.replace(
    DEMO, proprio=False, goal_mode="desired", camera="table", goal_marker="hidden", gradient_steps=2,
    precision="bfloat16", total_steps=72_000, buffer_size=48_000, patience=40_000,
)  # fmt: skip

FULL_STATE = TrainConfig(
    full_state=True, learning_rate=3e-4, n_envs=8, buffer_size=1_000_000, her_n_sampled_goal=4, total_steps=2_000_000
)  # fmt: skip

RECIPES: dict[str, tuple[str, TrainConfig]] = {
    "chapter": ("the chapter's recipe: 95-98 % at 3.5-4.4 M steps there", CHAPTER),
    "step0": ("step 1 with NatureCNN: flat there", TrainConfig(encoder="nature", total_steps=2_000_000)),
    "step1": ("the chapter's defaults, separate encoders: flat there", TrainConfig(total_steps=2_000_000)),
    "step2": ("the same as chapter", CHAPTER),
    "step4": ("step 2 with DrQ: 3-6 % at 1.5 M there", dataclasses.replace(CHAPTER, drq=True, total_steps=2_000_000)),
    "full-state": ("control on the 25-D state: 85-90 % at 2 M there", FULL_STATE),
    "fast-state": ("the ceiling: the 25-D state, on 2 CPU cores", FAST_STATE),
    "blind": (
        "control: fast-state without the state, 10-D proprioception and both goals",
        dataclasses.replace(FAST_STATE, full_state=False, pixels=False),
    ),
    "laptop": ("FetchPush from pixels on 2 CPU cores: rewards alone teach the encoder", LAPTOP),
    "fast": ("laptop at 84x84 on a GPU and 16 cores: not measured yet", FAST),
    "demo": ("FetchReach from pixels in minutes on 2 CPU cores, through the same code", DEMO),
    "sight": ("FetchReach end to end, where the gripper is nowhere but in the pixels", SIGHT),
    "sight-blank": ("control: sight with blank pixels", dataclasses.replace(SIGHT, blank_pixels=True)),
}


def recipe(name: str) -> TrainConfig:
    """The named recipe.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in RECIPES:
        raise UsageError(f"recipe {name!r} is unknown: choose one of {', '.join(RECIPES)}.")
    return RECIPES[name][1]
