"""From camera pixels to features: NatureCNN, ManipulationCNN, SpatialSoftmax, and the extractor that assembles them.

Every module can be used alone; ``ManipulationExtractor`` is a Stable-Baselines3 features extractor. Pixels arrive
here as floats in [0, 1]: SB3's preprocessing has divided them by 255, once.
"""

from __future__ import annotations

from typing import Literal

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

EncoderName = Literal["manipulation", "nature"]
Precision = Literal["float32", "bfloat16"]

# The order in which vectors follow the pixel features; gymnasium sorts the keys of a Dict space, we do not rely on it.
VECTOR_KEYS = ("observation", "proprioception", "belief", "achieved_goal", "desired_goal")


class NatureCNN(nn.Module):
    """The baseline of Mnih et al. 2015: 8x8/4, 4x4/2, 3x3/1, flatten, linear to 512 features.

    Its first layer turns a puck of 3 to 5 pixels into one cell (chapter section 9.4).

    Args:
        image_shape: (channels, height, width) of the input; at least 36 pixels high and wide.
        features_dim: size of the output.
        precision: of the convolutions.

    Raises:
        ValueError: the image is smaller than the kernels reach.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], features_dim: int = 512, precision: Precision = "float32"
    ) -> None:
        super().__init__()
        self.precision: Precision = precision
        channels, height, width = image_shape
        if min(height, width) < 36:
            raise ValueError(f"NatureCNN needs images of 36x36 pixels or more, not {height}x{width}: raise image_size.")
        self.convs = nn.Sequential(
            nn.Conv2d(channels, 32, 8, stride=4), nn.ReLU(),
            nn.Conv2d(32, 64, 4, stride=2), nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=1), nn.ReLU(),
            nn.Flatten(),
        )  # fmt: skip
        self.linear = nn.Sequential(nn.Linear(_flat_size(self.convs, image_shape), features_dim), nn.ReLU())
        self.features_dim = features_dim

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) float in [0, 1] -> (B, features_dim)."""
        features: torch.Tensor = self.linear(_convolve(self.convs, pixels, self.precision))
        return features


class ManipulationCNN(nn.Module):
    """Four 3x3 convolutions, padding 1, strides 2, 1, 1, 2, each with ReLU (chapter section 9.5).

    (B, 12, 84, 84) -> (B, 32, 21, 21): a small object survives as more than one cell. With strides 2, 2, 1, 1 the map
    is as large and costs half as much.

    Args:
        in_channels: channels of the input, 3 per stacked frame.
        num_filters: channels of the feature map.
        precision: of the convolutions; the feature map is float32.
        strides: of the convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        num_filters: int = 32,
        precision: Precision = "float32",
        strides: tuple[int, ...] = (2, 1, 1, 2),
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for stride in strides:
            inputs = num_filters if layers else in_channels
            layers += [nn.Conv2d(inputs, num_filters, 3, stride=stride, padding=1), nn.ReLU()]
        # channels_last is the fastest of the memory layouts on CPU, and what tensor cores want on a GPU.
        self.convs = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.num_filters, self.precision = num_filters, precision

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) float in [0, 1] -> (B, num_filters, ceil(H / 4), ceil(W / 4))."""
        return _convolve(self.convs, pixels.contiguous(memory_format=torch.channels_last), self.precision)


class SpatialSoftmax(nn.Module):
    """Expected image coordinates of each channel (Levine et al. 2016, arXiv:1504.00702; chapter section 9.5).

    A softmax over the positions of each channel weighs a grid on [-1, 1]; x is the column, y the row. A higher
    (learnable) temperature flattens the softmax.

    Args:
        temperature: its initial value.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.tensor(float(temperature)))

    def keypoints(self, feature_map: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, 2): the expected (x, y) of each channel, in [-1, 1]."""
        height, width = feature_map.shape[-2:]
        attention = (feature_map.flatten(2) / self.temperature).softmax(dim=2).reshape(*feature_map.shape)
        x = attention.sum(dim=2) @ _grid(width, feature_map)  # (B, C)
        y = attention.sum(dim=3) @ _grid(height, feature_map)  # (B, C)
        return torch.stack((x, y), dim=2).clamp(-1.0, 1.0)  # rounding alone could leave the interval

    def forward(self, feature_map: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, 2C): all x, then all y."""
        return self.keypoints(feature_map).transpose(1, 2).flatten(1)


class Standardize(nn.Module):
    """Centres and scales vectors by statistics that are set once; the identity until then.

    The statistics are buffers: they are saved and loaded with the weights, and no optimizer moves them.

    Args:
        size: length of the vectors.
    """

    LIMIT = 5.0  # standard deviations; the HER paper clips there, too (Andrychowicz et al. 2017, appendix A)

    mean: torch.Tensor
    scale: torch.Tensor
    fitted: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("fitted", torch.tensor(False))

    def set(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        """Takes over (size,) statistics."""
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.fitted.fill_(True)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """(B, size) -> (B, size)."""
        standardized = ((vectors - self.mean) / self.scale).clamp(-self.LIMIT, self.LIMIT)
        return torch.where(self.fitted, standardized, vectors)


class ManipulationExtractor(BaseFeaturesExtractor):
    """Pixels through an encoder, vectors passed by, all concatenated: 64 + 10 + 3 + 3 = 80 features in the chapter.

    The vectors follow the pixel features in the order proprioception (or observation), achieved_goal, desired_goal.
    A space without ``pixels`` (the full-state control) is passed through. A space with ``belief`` has pixels and
    achieved_goal for others: the networks see proprioception, belief and desired_goal.

    Args:
        observation_space: Dict with an optional ``pixels`` image (channels first) and 1-D vectors.
        encoder: ``manipulation`` or ``nature``.
        spatial_softmax: keypoints of ManipulationCNN's map; otherwise it is flattened into ``flat_dim`` features.
        feature_norm: LayerNorm and Tanh behind the pixel features, as the chapter's unpublished code has.
        ortho_init: orthogonal weights with ReLU's gain and no bias to start from (Yarats et al. 2021), else torch's.
        goal_mode: which goal vectors the networks see: ``none``, ``desired`` or ``both``.
        proprioception: whether they see the robot's own state.
        num_filters: channels of ManipulationCNN.
        strides: of ManipulationCNN.
        flat_dim: size of the flattened variant.
        standardize: whether the vectors pass a ``Standardize``, which the agent fills before its first update.
        precision: of the convolutions; everything behind them is float32.

    Raises:
        ValueError: an unknown encoder, goal mode or key, or a goal that the space does not have.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        *,
        encoder: EncoderName = "manipulation",
        spatial_softmax: bool = True,
        feature_norm: bool = False,
        ortho_init: bool = False,
        goal_mode: Literal["none", "desired", "both"] = "both",
        proprioception: bool = True,
        num_filters: int = 32,
        strides: tuple[int, ...] = (2, 1, 1, 2),
        flat_dim: int = 50,
        standardize: bool = False,
        precision: Precision = "float32",
    ) -> None:
        if encoder not in ("manipulation", "nature"):
            raise ValueError(f"encoder={encoder!r} is unknown: choose manipulation or nature.")
        vector_keys = _vector_keys(observation_space, goal_mode, proprioception)
        vector_size = sum(_size(observation_space[key]) for key in vector_keys)
        super().__init__(observation_space, features_dim=1)
        self.vector_keys = vector_keys
        self.standardize = Standardize(vector_size) if standardize else None
        self.cnn: nn.Module | None = None
        pixel_size = 0
        if "pixels" in observation_space.spaces and "belief" not in vector_keys:
            shape: tuple[int, int, int] = observation_space["pixels"].shape  # type: ignore[assignment]
            if encoder == "nature":
                self.cnn, self.head = NatureCNN(shape, precision=precision), nn.Sequential()
                pixel_size = 512
            else:
                self.cnn = ManipulationCNN(shape[0], num_filters, precision, strides)
                self.head, pixel_size = nn.Sequential(SpatialSoftmax()), 2 * num_filters
                if not spatial_softmax:
                    self.head = nn.Sequential(nn.Flatten(), nn.Linear(_flat_size(self.cnn, shape), flat_dim))
                    pixel_size = flat_dim
            if feature_norm:
                self.head.extend([nn.LayerNorm(pixel_size), nn.Tanh()])
            if ortho_init:
                self.cnn.apply(orthogonal)
        self._features_dim = pixel_size + vector_size

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """Preprocessed observations (pixels in [0, 1], float vectors) -> (B, features_dim).

        Where there are fewer pictures than vectors, each stands for as many consecutive rows: see ``HerFrameBuffer``.
        """
        parts = [observations[key] for key in self.vector_keys]
        if self.standardize is not None:
            parts = [self.standardize(torch.cat(parts, dim=1))]
        if self.cnn is not None:
            seen = self.pixel_features(observations["pixels"])
            rows = len(parts[0]) if parts else len(seen)
            parts.insert(0, seen if rows == len(seen) else seen.repeat_interleave(rows // len(seen), dim=0))
        return torch.cat(parts, dim=1)

    def pixel_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) float in [0, 1] -> what the encoder makes of them: 64 keypoint coordinates in the chapter."""
        features: torch.Tensor = self.head(self.cnn(pixels))  # type: ignore[misc]
        return features

    def compile_encoder(self) -> None:
        """Has ``torch.compile`` make the encoder's kernels at its first passes; weights and their names stay."""
        if self.cnn is not None:
            self.cnn.compile()
            self.head.compile()


def _convolve(convs: nn.Module, pixels: torch.Tensor, precision: Precision) -> torch.Tensor:
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        outputs: torch.Tensor = convs(pixels)
    return outputs.to(pixels.dtype)


def orthogonal(layer: nn.Module) -> None:
    """Orthogonal weights with ReLU's gain and no bias for a convolution or linear layer; others stay."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        weights = torch.empty(layer.weight.shape)  # of the memory layout that orthogonal_ can fill
        layer.weight.data.copy_(nn.init.orthogonal_(weights, nn.init.calculate_gain("relu")))
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def _vector_keys(space: spaces.Dict, goal_mode: str, proprioception: bool) -> tuple[str, ...]:
    if goal_mode not in ("none", "desired", "both"):
        raise ValueError(f"goal_mode={goal_mode!r} is unknown: choose none, desired or both.")
    if "belief" in space.spaces:
        goal_mode = "desired"
    unknown = set(space.spaces) - {"pixels", "estimate", *VECTOR_KEYS}
    if unknown:
        raise ValueError(f"{min(unknown)!r} is none of pixels, {', '.join(VECTOR_KEYS)}: rename it, or leave it out.")
    granted = {"none": (), "desired": ("desired_goal",), "both": ("achieved_goal", "desired_goal")}[goal_mode]
    missing = [key for key in granted if key not in space.spaces]
    if missing:
        raise ValueError(f"goal_mode={goal_mode!r} needs {missing[0]}, which the observations do not have.")
    robot = ("observation", "proprioception") if proprioception else ()
    return tuple(key for key in VECTOR_KEYS if key in space.spaces and key in (*robot, "belief", *granted))


def _size(space: spaces.Space) -> int:  # type: ignore[type-arg]
    return int(torch.Size(space.shape or (1,)).numel())


def _flat_size(module: nn.Module, image_shape: tuple[int, ...]) -> int:
    """Outputs per image, found by asking the layers instead of by arithmetic about them."""
    with torch.no_grad():
        return int(module(torch.zeros(1, *image_shape)).numel())


def _grid(size: int, like: torch.Tensor) -> torch.Tensor:
    """``size`` cell centres from -1 to 1; a single cell is at 0."""
    if size == 1:
        return torch.zeros(1, dtype=like.dtype, device=like.device)
    return torch.linspace(-1.0, 1.0, size, dtype=like.dtype, device=like.device)
