"""Values of flags, and combinations of them, that make no sense: one sentence for each, before anything is started."""

from __future__ import annotations

import math

from visual_her.config import CHAPTER, TrainConfig
from visual_her.errors import UsageError


def check(config: TrainConfig) -> None:
    """Refuses values and combinations that make no sense together.

    Raises:
        UsageError: one sentence that names the flag and says what to do.
    """
    for applies, sentence in (*_out_of_range(config), *_contradictions(config)):
        if applies:
            raise UsageError(sentence)


def _out_of_range(config: TrainConfig) -> list[tuple[bool, str]]:
    def flag(name: str) -> str:
        return f"--{name.replace('_', '-')} {getattr(config, name)}"

    given = {name: getattr(config, name) for name in (*_LEAST, "learning_rate", "time_budget")}
    given = {name: value for name, value in given.items() if value is not None}
    least_buffer = 50 * config.n_envs
    return [
        *((not given[n] >= x, f"{flag(n)} is too small: use at least {x}.") for n, x in _LEAST.items() if n in given),
        *((given[n] > x, f"{flag(n)} is too large: use at most {x}.") for n, x in _MOST.items() if n in given),
        *(
            (not 0 < given[n] < math.inf, f"{flag(n)} is out of range: use a finite number above 0.")
            for n in ("learning_rate", "time_budget")
            if n in given
        ),
        *(
            (not 0 <= getattr(config, n) <= 1, f"{flag(n)} is out of range: use a number from 0 to 1.")
            for n in ("gamma", "tau", "random_actions")
        ),
        (not 0 < config.still_weight <= 1, f"{flag('still_weight')} is out of range: use a number above 0, to 1."),
        (config.ent_coef == math.inf, f"{flag('ent_coef')} is out of range: use a finite number."),
        (
            not all(1 <= size <= 65_536 for size in config.net_arch),
            f"--net-arch {config.net_arch} is out of range: use layers of 1 to 65536.",
        ),
        (
            config.encodes_pixels and 3 * config.frame_stack > config.image_size,
            f"{flag('frame_stack')} makes more channels than --image-size {config.image_size} has rows, and SB3 would "
            "take them for the rows: lower it, or raise --image-size.",
        ),
        (
            config.render_size is not None and config.render_size < config.image_size,
            f"{flag('render_size')} is below --image-size {config.image_size}: raise it.",
        ),
        (
            not (len(config.strides) and all(1 <= stride <= 8 for stride in config.strides)),
            f"--strides {config.strides} is out of range: use one stride of 1 to 8 a convolution.",
        ),
        (
            config.buffer_size < least_buffer,
            f"{flag('buffer_size')} holds no episode of each of {config.n_envs} envs: use at least {least_buffer}.",
        ),
    ]


_LEAST = {
    "total_steps": 1, "n_envs": 1, "frame_stack": 1, "image_size": 8, "num_filters": 1, "drq_pad": 0, "buffer_size": 1,
    "her_n_sampled_goal": 0, "batch_size": 1, "ent_coef": 0, "gradient_steps": 1, "learning_starts": 0,
    "checkpoint_freq": 0, "torch_threads": 1, "seed": 0, "patience": 1, "n_steps": 1, "near_goals": 0,
}  # fmt: skip


_MOST = {
    "seed": 2**32 - 1,
    "n_envs": 1024,
    "image_size": 4096,
    "num_filters": 4096,
    "batch_size": 2**20,
    "learning_rate": 1,
    "n_steps": 1000,
    "near_goals": 1000,
}


def _contradictions(config: TrainConfig) -> list[tuple[bool, str]]:
    routed = "--critic-encoder" if config.critic_encoder else "--share-encoder" if config.share_encoder else ""
    blind = "--full-state" if config.full_state else "--no-pixels" if not config.pixels else ""
    nature = config.encoder == "nature"
    encoder = {
        "--encoder nature": nature,
        "--no-spatial-softmax": not config.spatial_softmax,
        "--feature-norm": config.feature_norm,
        "--ortho-init": config.ortho_init,
        routed: bool(routed),
    }
    network = {
        "--num-filters": config.num_filters != CHAPTER.num_filters,
        "--strides": config.strides != CHAPTER.strides,
    }
    of_belief = {
        "--belief-filter": config.belief_filter != CHAPTER.belief_filter,
        "--near-goals": config.near_goals != CHAPTER.near_goals,
    }
    sight = {
        "--blank-pixels": config.blank_pixels,
        "--storage compressed": config.storage == "compressed",
        "--belief": config.belief,
        **encoder,
        **network,
    }
    camera = ("camera", "goal_marker", "frame_stack", "image_size", "render_size")
    sight |= {f"--{name.replace('_', '-')}": getattr(config, name) != getattr(CHAPTER, name) for name in camera}
    unseen = next((flag for flag, given in sight.items() if given), "")
    unread = next((flag for flag, given in encoder.items() if given), "")
    unbelieved = next((flag for flag, given in of_belief.items() if given), "")
    return [
        (
            config.critic_encoder and config.share_encoder,
            "--critic-encoder and --share-encoder contradict each other: the encoder has one teacher, drop one.",
        ),
        (
            config.full_state and not config.pixels,
            "--full-state and --no-pixels contradict each other: --full-state is without pixels already, drop one.",
        ),
        (
            config.full_state and not config.proprio,
            "--full-state and --no-proprio contradict each other: the state contains the robot's, drop one.",
        ),
        (bool(blind and unseen), f"{unseen} does nothing with {blind}, which has no pixels: drop one of the two."),
        (
            config.drq_pad != CHAPTER.drq_pad and not config.drq,
            f"--drq-pad {config.drq_pad} does nothing with --no-drq: drop one of the two.",
        ),
        (
            config.belief and bool(unread),
            f"{unread} does nothing with --belief, whose actor and critic read no pixels: drop one of the two.",
        ),
        (
            config.belief and config.goal_mode != "desired",
            "--belief needs --goal-mode desired: its networks never read achieved_goal.",
        ),
        (
            bool(unbelieved) and not config.belief,
            f"{unbelieved} does nothing without --belief: add it, or drop the flag.",
        ),
        (
            config.clip_targets and config.gamma == 1,
            "--clip-targets needs --gamma below 1: without a discount returns have no bound.",
        ),
        (
            nature and not config.spatial_softmax,
            "--no-spatial-softmax does nothing with --encoder nature, which has none: drop one of the two.",
        ),
        (
            nature and config.strides != CHAPTER.strides,
            "--strides does nothing with --encoder nature, whose strides are its own: drop one of the two.",
        ),
        (
            nature and config.image_size < 36,
            "--encoder nature needs --image-size 36 or more.",
        ),
        (
            not config.proprio and not config.pixels and config.goal_mode == "none",
            "the networks would see nothing at all: drop --no-pixels.",
        ),
    ]
