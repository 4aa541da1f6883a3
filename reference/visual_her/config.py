"""TrainConfig: every choice of a run, with the chapter's defaults; the named recipes; the tag that names a run's files.

The dataclass is the command line (``visual-her train --help``) and the documentation. This module imports nothing
heavy, so that ``--help`` answers at once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from visual_her.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run. Defaults are the chapter's public code's; ``--recipe`` starts from a named recipe instead."""

    env: str = "FetchPush-v4"
    """Task: FetchReach-v4, FetchPush-v4, FetchSlide-v4 or FetchPickAndPlace-v4."""
    seed: int = 0
    """Seed of networks, exploration, replay and resets."""
    total_steps: int = 8_000_000
    """Env steps to reach in total, also on resume."""
    n_envs: int = 4
    """Environments side by side, each in a process of its own."""

    full_state: bool = False
    """Control: the 25-D state instead of pixels. Starts from recipe full-state."""
    pixels: bool = True
    """Whether the networks see the camera; --no-pixels leaves proprioception and goals, 16-D."""
    belief: bool = False
    """Rewards alone teach the encoder, as a success classifier; actor and critics read its belief of the object."""
    blank_pixels: bool = False
    """Control: every pixel is 0."""
    proprio: bool = True
    """Whether the networks see the robot's own state."""
    goal_mode: Literal["none", "desired", "both"] = "both"
    """Which goal vectors actor and critic see. "both" includes achieved_goal, the puck's exact position."""
    camera: Literal["default", "table", "close"] = "default"
    """The library's camera (puck 3 pixels wide), a closer one (7 pixels), or the closest, from the other side."""
    goal_marker: Literal["visible", "hidden"] = "visible"
    """Whether the red goal sphere is drawn; HER cannot repaint it."""
    frame_stack: int = 4
    """Frames in an observation."""
    image_size: int = 84
    """Side of a frame in pixels."""
    render_size: int | None = None
    """Side at which MuJoCo draws: none is twice image_size, averaged; image_size the fastest; 480 the chapter's."""

    encoder: Literal["manipulation", "nature"] = "manipulation"
    """ManipulationCNN or the NatureCNN baseline."""
    spatial_softmax: bool = True
    """Keypoints of the feature map; --no-spatial-softmax flattens it into 50 features."""
    feature_norm: bool = False
    """LayerNorm and Tanh behind the pixel features, as in the chapter's unpublished code."""
    ortho_init: bool = False
    """Convolutions that start orthogonal, with ReLU's gain, as in DrQ-v2; else torch's weights, a third of that."""
    standardize: bool = False
    """Vectors centred and scaled by the warm-up episodes' statistics, goals divided by 0.1 m."""
    num_filters: int = 32
    """Channels of ManipulationCNN."""
    strides: tuple[int, ...] = (2, 1, 1, 2)
    """Of ManipulationCNN's convolutions: 2 2 1 1 gives a map of the same size at less than half the price."""
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    """Of the convolutions: bfloat16 takes less than half the time on a CPU with AMX, where auto chooses it."""
    compile: bool = False
    """The encoder through torch.compile: the same figures but for rounding, after 10 to 40 s of compiling."""
    critic_encoder: bool = False
    """DrQ-v2 routing: one encoder, trained by the critic's loss only."""
    share_encoder: bool = False
    """Control: SB3's shared extractor, trained by the actor's loss only. Neither flag: SB3's two separate encoders."""
    net_arch: tuple[int, ...] = (256, 256)
    """Hidden layers of actor and critics."""

    drq: bool = True
    """DrQ's random shift of sampled pixels."""
    drq_pad: int = 4
    """Largest shift in pixels."""
    buffer_size: int = 200_000
    """Transitions in the replay buffer."""
    storage: Literal["raw", "compressed"] = "raw"
    """How the replay buffer keeps frames in memory: as they are, or packed without loss, a sixth to a quarter."""
    her_n_sampled_goal: int = 4
    """HER's k: a fraction k / (k + 1) of each batch is relabelled; 0 switches HER off."""
    n_steps: int = 1
    """Rewards that a TD target sums up before it bootstraps; 3 as in DrQ-v2."""
    near_goals: int = 16
    """Of --belief: goals a frame for the classifier that no episode had, near what was achieved."""
    belief_filter: Literal["bilateral", "equal-sigma", "exponential", "none"] = "bilateral"
    """Of --belief: how an episode's estimates are averaged; bilateral spares an object that moves."""

    still_weight: float = 1.0
    """Weight in replay of episodes whose object never moved: below 1, contact is replayed more often."""

    learning_rate: float = 1e-4
    """Adam's, for encoder, actor and critics."""
    anneal: bool = False
    """Learning rates fall linearly over total_steps, to a tenth."""
    batch_size: int = 256
    """Transitions an update."""
    gamma: float = 0.95
    """Discount."""
    tau: float = 0.005
    """Polyak coefficient of the target critic."""
    ent_coef: float = 0.05
    """Fixed entropy coefficient."""
    clip_targets: bool = False
    """TD targets clipped to [-1 / (1 - gamma), 0], the returns that a reward of -1 or 0 can have (HER, appendix A)."""
    random_actions: float = 0.0
    """Fraction of uniformly random actions while collecting, beside the policy's own noise (HER, appendix A)."""
    overlap: bool = False
    """Update while worker processes take the next step: its actions were chosen before the update, which lacks it."""
    gradient_steps: int = 1
    """Updates per vectorised step: 1 with 4 envs is an update-to-data ratio of 0.25."""
    learning_starts: int = 1_000
    """Env steps of uniformly random actions before the first update."""

    checkpoint_freq: int = 500_000
    """Env steps between checkpoints; 0 writes one at the end only."""
    checkpoint_buffer: bool = True
    """Whether the newest checkpoint carries the replay buffer; without it a resume refills from the policy."""
    resume: str | None = None
    """Checkpoint to go on from."""
    time_budget: float | None = None
    """Minutes after which the run stops with a checkpoint."""
    patience: int = 3_000_000
    """Env steps by which the recipe should have converged: visual-her diagnose reads a flat curve accordingly."""
    stop_when_converged: bool = False
    """Stop after patience, once success was above 90 % for a sixth of it while the critic loss falls."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    torch_threads: int | None = None
    """CPU threads of the updates; none leaves torch's choice."""
    log_dir: str = "runs"
    """Folder of TensorBoard logs and progress.csv."""
    checkpoints_dir: str = "checkpoints"
    """Folder of checkpoints."""
    results_dir: str = "results"
    """Folder of evaluations."""

    @property
    def uses_pixels(self) -> bool:
        """Whether anything is rendered and encoded."""
        return self.pixels and not self.full_state

    @property
    def encodes_pixels(self) -> bool:
        """Whether actor and critic read pixels themselves."""
        return self.uses_pixels and not self.belief

    @property
    def uses_drq(self) -> bool:
        """Whether sampled pixels are shifted; there is nothing to shift without pixels."""
        return self.drq and self.uses_pixels

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any], *, any_version: bool = False) -> TrainConfig:
        """The config that ``to_json`` described.

        Args:
            values: what it gave.
            any_version: leaves out the fields of other versions, for who reads a curve and trains nothing.

        Raises:
            UsageError: a field of another version.
        """
        retired = {name for name, harmless in _RETIRED.items() if any_version or values.get(name) == harmless}
        values = {name: value for name, value in values.items() if name not in retired}
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise UsageError(f"unknown field {sorted(unknown)[0]!r} in the stored config: use its version.")
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        config = cls(**{**values, **lists})
        for name, hint in get_type_hints(cls).items():
            if not _is_a(getattr(config, name), hint):
                raise UsageError(f"field {name} of the stored config is {values[name]!r}: use another checkpoint.")
        return config


def _is_a(value: Any, hint: Any) -> bool:
    """Whether a value from a JSON file is of a field's type."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        return all(type(size) is int for size in value)
    options = get_args(hint) or (hint,)  # of X | None
    return type(value) in options or (type(value) is int and float in options)


# Fields of earlier versions that are no more, with the value at which they did nothing.
_RETIRED: dict[str, Any] = {"privileged": False, "goals_per_transition": 1, "her_random_goals": 0.0}

# Fields that do not change what is learned, or that stand in a file name of their own: never part of the tag.
RUN_FIELDS = frozenset(
    {
        *("env", "seed", "total_steps", "checkpoint_freq", "checkpoint_buffer", "resume", "time_budget", "device"),
        *("torch_threads", "compile", "storage", "log_dir", "checkpoints_dir", "results_dir"),
        *("patience", "stop_when_converged"),
    }
)

CHAPTER = TrainConfig(critic_encoder=True, drq=False, buffer_size=500_000, her_n_sampled_goal=8, total_steps=5_000_000)


def differences(config: TrainConfig, base: TrainConfig = CHAPTER) -> dict[str, tuple[Any, Any]]:
    """The fields in which ``config`` differs from ``base``: name -> (base's value, config's value)."""
    pairs = {f.name: (getattr(base, f.name), getattr(config, f.name)) for f in dataclasses.fields(TrainConfig)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def tag(config: TrainConfig) -> str:
    """The name of a configuration: the chapter's words in its order, then every other difference from ``CHAPTER``.

    Two configurations that could learn differently never share a tag.
    """
    words = ["ch09_manip"]
    native = config.render_size == config.image_size
    if config.uses_pixels:
        words += ["native"] * native + ["noSS"] * (not config.spatial_softmax)
    elif not config.full_state:
        words += ["noPix"]
    words += ["belief"] * config.belief + ["noPro"] * (not config.proprio)
    if config.uses_pixels:
        words += ["noDrQ"] * (not config.drq) + ["criticEnc"] * config.critic_encoder
        words += ["shareEnc"] * config.share_encoder
    words += ["fullState"] * config.full_state
    words += [f"fs{config.frame_stack}"] * (config.frame_stack != CHAPTER.frame_stack)
    for name, (_, value) in differences(config).items():
        if name in _SUFFIXES and not (name == "render_size" and native):
            words.append(_SUFFIXES[name].format("-".join(map(str, value)) if isinstance(value, tuple) else value))
    return "_".join(words)


_SUFFIXES = {
    "encoder": "{}", "feature_norm": "featureNorm", "ortho_init": "ortho", "standardize": "std",
    "blank_pixels": "blank", "goal_mode": "goal-{}", "camera": "cam-{}", "goal_marker": "marker-{}",
    "image_size": "px{}", "render_size": "render{}", "num_filters": "filters{}", "precision": "{}", "net_arch": "net{}",
    "drq_pad": "pad{}", "buffer_size": "buf{}", "her_n_sampled_goal": "k{}",
    "n_steps": "n{}", "near_goals": "near{}", "belief_filter": "{}", "strides": "strides{}",
    "still_weight": "still{}", "n_envs": "envs{}",
    "learning_rate": "lr{}", "batch_size": "batch{}", "gamma": "gamma{}", "tau": "tau{}", "ent_coef": "ent{}",
    "clip_targets": "clip", "anneal": "anneal", "random_actions": "eps{}", "gradient_steps": "grad{}",
    "overlap": "overlap", "learning_starts": "starts{}",
}  # fmt: skip
