"""What the sparse reward alone teaches an encoder: where the object is, and how sure a frame is of that.

A success classifier predicts from one frame, for any goal, whether the reward there is that of success. It is a critic
of discount 0 that has the form of the task: its logit depends on the goal only through the goal's distance from the
frame's estimate, so that learning to predict relabelled rewards is learning to see the object. Nobody tells it a
position. Classifiers of reached goals: C-learning (arXiv:2011.08909), contrastive RL (arXiv:2206.07568); keypoints
with a measure of their presence: Finn et al. 2016 (arXiv:1509.06113).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from visual_her.encoders import ManipulationCNN, Precision, SpatialSoftmax, orthogonal

Array = npt.NDArray[Any]

DELTA = 0.01  # squared units of the goals' spread: the logit stays finite where estimate and goal coincide
CHUNK = 256  # frames a forward pass: what fits into a CPU's cache


class FrameReader(nn.Module):
    """What a frame shows of the object: ManipulationCNN, SpatialSoftmax, and two heads on the keypoints.

    Args:
        goal_size: D, the length of a goal.
        num_filters: channels of ManipulationCNN.
        strides: of its convolutions.
        precision: of its convolutions.
    """

    def __init__(self, goal_size: int, num_filters: int, strides: tuple[int, ...], precision: Precision) -> None:
        super().__init__()
        cnn = ManipulationCNN(3, num_filters, precision, strides)
        cnn.apply(orthogonal)
        del cnn.convs[-1]  # without its last ReLU a map can say where the object is not
        self.keypoints = nn.Sequential(cnn, SpatialSoftmax())
        self.position = nn.Linear(2 * num_filters, goal_size)
        self.certainty = nn.Sequential(nn.Linear(2 * num_filters, 64), nn.ReLU(), nn.Linear(64, 2))
        self.slope, self.radius = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(0.5))

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """uint8 (B, 3, H, W) -> estimate (B, D), slope (B, 1) and offset (B, 1), in units of the goals' spread."""
        keypoints = self.keypoints(frames.float() / 255 - 0.5)
        certainty = self.certainty(10 * keypoints)
        return self.position(keypoints), F.softplus(self.slope + certainty[:, :1]), certainty[:, 1:]


class SuccessClassifier(nn.Module):
    """P(goal reached | frame, goal) = sigmoid(p log((r^2 + DELTA) / (|z - goal|^2 + DELTA)) + b).

    z, the estimate, and the slope p and offset b come from the frame's keypoints; r, the radius of success, is learned.
    Lengths are in units of the goals' spread. The logarithm keeps goals and objects that are far away from dragging z.
    Acting uses an exponential moving average of the weights, which ``publish`` moves.

    Args:
        goal_size: D, the length of a goal.
        num_filters: channels of ManipulationCNN.
        strides: of its convolutions.
        precision: of its convolutions.
        learning_rate: Adam's.
    """

    AVERAGE = 0.009  # weight of the newest network in the average
    centre: torch.Tensor
    spread: torch.Tensor
    publications: torch.Tensor

    def __init__(
        self,
        goal_size: int,
        *,
        num_filters: int = 32,
        strides: tuple[int, ...] = (2, 2, 1, 1),
        precision: Precision = "float32",
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__()
        self.network = FrameReader(goal_size, num_filters, strides, precision)
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        self.register_buffer("centre", torch.full((goal_size,), torch.nan))  # of the desired goals
        self.register_buffer("spread", torch.ones(goal_size))
        self.register_buffer("publications", torch.tensor(0))
        self.learning_rate = learning_rate
        self.optimizer = torch.optim.Adam(self.network.parameters(), learning_rate)

    @property
    def unit(self) -> torch.Tensor:
        """The length of one unit in metres: the goals' largest standard deviation."""
        return self.spread.max()

    def fit(self, centre: Array, spread: Array) -> None:
        """Takes over, once, the centre of the task's desired goals and their standard deviation, (D,) in metres."""
        self.centre.copy_(torch.from_numpy(centre))
        self.spread.copy_(torch.from_numpy(spread.clip(0.1 * spread.max())))

    def learn(
        self, frames: torch.Tensor, goals: torch.Tensor, reached: torch.Tensor, rate: float = 1.0
    ) -> torch.Tensor:
        """One Adam step at ``rate`` of the learning rate.

        Args:
            frames: uint8 (B, 3, H, W).
            goals: (B, G, D) in metres.
            reached: (B, G), 1 where the relabelled reward is that of success.
            rate: of the learning rate.

        Returns:
            The binary cross-entropy.
        """
        z, slope, offset = self.network(frames)
        squared = (z[:, None] - (goals - self.centre) / self.unit).square().sum(dim=2)  # (B, G)
        logit = slope * torch.log((self.network.radius.square() + DELTA) / (squared + DELTA)) + offset
        loss = F.binary_cross_entropy_with_logits(logit, reached)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * self.learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def publish(self) -> None:
        """Moves the averaged weights towards the network's: at first to their plain mean."""
        self.publications += 1
        weight = max(self.AVERAGE, 1 / float(self.publications))
        torch._foreach_lerp_(list(self.averaged.parameters()), list(self.network.parameters()), weight)

    @torch.no_grad()
    def see(self, frames: torch.Tensor) -> Array:
        """What the averaged weights make of frames.

        Args:
            frames: uint8 (N, 3, H, W).

        Returns:
            float64 (N, D + 1): the estimate, and the standard deviation of its error, which follows from the slope of
            the sigmoid where |z - goal| is the radius; all in metres.
        """
        seen = []
        for chunk in torch.split(frames.to(self.centre.device), CHUNK):
            z, slope, _ = self.averaged(chunk)
            sigma = 0.9 * self.averaged.radius.abs() / slope.clamp(min=0.05)
            seen.append(torch.cat([self.centre.nan_to_num() + self.unit * z, self.unit * sigma], dim=1))
        return torch.cat(seen).double().cpu().numpy()
