"""The privileged track: hands that learn with the object's true position, and eyes that are taught it beside them.

In training, actor and critics read the true ``achieved_goal`` and no pixels, so an update is as cheap as one from
state. A ``Localizer`` is taught that position on frames of the same episodes. Afterwards the policy acts from pixels,
proprioception and desired goal alone: the estimate takes the place of ``achieved_goal``. This is not the chapter's
end-to-end learning, and no figure of it belongs in a row with one that is (asymmetric training as in Pinto et al.
2017, arXiv:1710.06542).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from visual_her.encoders import ManipulationCNN, Precision, SpatialSoftmax
from visual_her.memory import sightings_of
from visual_her.pixel_env import Observation
from visual_her.replay import HerFrameBuffer
from visual_her.sac import PixelSAC

Array = npt.NDArray[Any]


class Localizer(nn.Module):
    """ManipulationCNN, SpatialSoftmax and a linear layer: one frame to a position in metres.

    Acting uses an exponential moving average of the weights.

    Args:
        num_filters: channels of ManipulationCNN.
        learning_rate: Adam's.
        average: weight that an update leaves to the average so far.
        precision: of the convolutions.
    """

    centre: torch.Tensor

    def __init__(
        self,
        num_filters: int = 16,
        learning_rate: float = 1e-3,
        average: float = 0.999,
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        cnn = ManipulationCNN(3, num_filters, precision)
        del cnn.convs[-1]  # without its last ReLU a map can say where the object is not
        self.network = nn.Sequential(cnn, SpatialSoftmax(), nn.Linear(2 * num_filters, 3))
        averaging = torch.optim.swa_utils.get_ema_multi_avg_fn(average)  # type: ignore[no-untyped-call]
        self.averaged = torch.optim.swa_utils.AveragedModel(self.network, multi_avg_fn=averaging)
        self.register_buffer("centre", torch.full((3,), torch.nan))
        self.learning_rate = learning_rate
        self.optimizer = torch.optim.Adam(self.network.parameters(), learning_rate)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """uint8 (B, 3, H, W) -> (B, 3) in metres, by the averaged weights."""
        return self._metres(self.averaged, frames)

    def learn(self, frames: torch.Tensor, positions: torch.Tensor, rate: float = 1.0) -> torch.Tensor:
        """One step on uint8 (B, 3, H, W) and (B, 3), at ``rate`` of the learning rate.

        Returns:
            The mean squared error in units of 0.1 m.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate * self.learning_rate
        if torch.isnan(self.centre).any():
            self.centre.copy_(positions.mean(dim=0))
        loss = ((self._metres(self.network, frames) - positions) / 0.1).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.averaged.update_parameters(self.network)
        return loss.detach()

    def _metres(self, network: nn.Module, frames: torch.Tensor) -> torch.Tensor:
        metres: torch.Tensor = self.centre.nan_to_num() + 0.1 * network(frames.float() / 255 - 0.5)
        return metres


class Sightings:
    """Frames with the position they show, the newest ``capacity`` of them.

    Args:
        capacity: frames to keep.
        image_size: side of a frame.
        rng: of the draws.
    """

    def __init__(self, capacity: int, image_size: int, rng: np.random.Generator) -> None:
        self.frames = np.zeros((capacity, 3, image_size, image_size), np.uint8)
        self.positions = np.zeros((capacity, 3), np.float32)
        self.count = 0
        self.rng = rng

    def add(self, frame: Array, position: Array) -> None:
        """uint8 (3, H, W) and (3,) in metres."""
        at = self.count % len(self.frames)
        self.frames[at], self.positions[at] = frame, position
        self.count += 1

    def sample(self, batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Uniform over what is kept."""
        return self._at(self.rng.integers(min(self.count, len(self.frames)), size=batch_size))

    def newest(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The last ones, few of which have been learned from."""
        return self._at(np.arange(max(0, self.count - number), self.count) % len(self.frames))

    def _at(self, index: Array) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(self.frames[index]), torch.from_numpy(self.positions[index])


class SightingBuffer(HerFrameBuffer):
    """``HerFrameBuffer`` of vectors for the hands, and beside it the newest sightings for the eyes.

    Args:
        *args: as ``HerFrameBuffer``.
        image_size: side of the frames.
        **kwargs: as ``HerFrameBuffer``.
    """

    def __init__(self, *args: Any, image_size: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        capacity = sightings_of(self.buffer_size // self.n_envs)
        self.sightings = Sightings(capacity, image_size, self.rng.spawn(1)[0])

    @property
    def nbytes(self) -> int:
        """Bytes claimed, sightings and everything else."""
        return super().nbytes + self.sightings.frames.nbytes + self.sightings.positions.nbytes

    def add(self, obs: Any, next_obs: Any, action: Array, reward: Array, done: Array, infos: Any) -> None:
        """Stores one transition of each env, and what its ``info`` sighted."""
        for info in infos:
            if "sighting" in info:
                self.sightings.add(*info["sighting"])
        super().add(obs, next_obs, action, reward, done, infos)

    def state_arrays(self) -> dict[str, Array]:
        """Those of ``HerFrameBuffer``, and the sightings with their generator."""
        seen = self.sightings
        return super().state_arrays() | {
            "sighting/frames": seen.frames[: seen.count],
            "sighting/positions": seen.positions[: seen.count],
            "sighting/count": np.array(seen.count),
            "sighting/rng": np.frombuffer(json.dumps(seen.rng.bit_generator.state).encode(), np.uint8),
        }

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Restores ``state_arrays``.

        Raises:
            ValueError: the arrays are of another layout.
        """
        super().load_state_arrays(arrays)
        seen, kept = self.sightings, len(arrays["sighting/positions"])
        seen.frames[:kept], seen.positions[:kept] = arrays["sighting/frames"], arrays["sighting/positions"]
        seen.count = int(arrays["sighting/count"])
        seen.rng.bit_generator.state = json.loads(arrays["sighting/rng"].tobytes())


class SightingWrapper(gym.Wrapper[Observation, Any, Observation, Any]):
    """Takes the pixels out of a pixel environment's observations and puts them into ``info``.

    ``info["sighting"]`` of a step is its newest frame, uint8 (3, H, W), with the ``achieved_goal`` that it shows.
    """

    def __init__(self, env: gym.Env[Observation, Any]) -> None:
        super().__init__(env)
        space: Any = env.observation_space
        self.observation_space = gym.spaces.Dict({key: box for key, box in space.items() if key != "pixels"})  # type: ignore[assignment]

    def reset(self, **options: Any) -> tuple[Observation, dict[str, Any]]:
        """Nothing is sighted."""
        observation, info = self.env.reset(**options)
        observation.pop("pixels")
        return observation, info

    def step(self, action: Any) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """Adds ``sighting``."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        sighting = observation.pop("pixels")[-3:], observation["achieved_goal"]
        return observation, reward, terminated, truncated, {**info, "sighting": sighting}


class PrivilegedSAC(PixelSAC):
    """``PixelSAC`` on vectors, with a ``Localizer`` that learns beside it from the first environment's camera.

    Args:
        total_steps: env steps of the run, over which the localizer's learning rate falls to ``LAST_RATE`` of its first.
        localizer_batch_size: frames a localizer update; there is one a vectorised step.
        precision: of the localizer's convolutions.
    """

    replay_buffer: SightingBuffer
    LAST_RATE = 0.03

    def __init__(
        self,
        *args: Any,
        total_steps: int,
        localizer_batch_size: int = 32,
        precision: Precision = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._localizer = Localizer(precision=precision)
        self._lesson: Future[torch.Tensor] | None = None
        self._teacher = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),))
        self.total_steps, self.localizer_batch_size = total_steps, localizer_batch_size

    @property
    def localizer(self) -> Localizer:
        """After the lesson that is under way."""
        if self._lesson is not None:
            self._record("localizer_loss", self._lesson.result())
            self._lesson = None
        return self._localizer

    def update(self, gradient_steps: int, batch_size: int) -> None:
        """Beside the agent's own updates those of the localizer, on another core; neither waits for the other."""
        sightings = self.replay_buffer.sightings
        if sightings.count >= self.learning_starts // self.n_envs:
            lesson = sightings.sample(self.localizer_batch_size)
            rate = max(self.LAST_RATE, 1 - self.num_timesteps / self.total_steps)
            self._lesson = self._teacher.submit(self.localizer.learn, *lesson, rate)
        super().update(gradient_steps, batch_size)

    def predict(self, observation: Any, *args: Any, **kwargs: Any) -> Any:
        """SB3's; where there are pixels, (B, C, H, W) or (C, H, W), the estimate replaces ``achieved_goal``."""
        if "pixels" in observation:
            vectors = {key: value for key, value in observation.items() if key != "pixels"}
            observation = {**vectors, "achieved_goal": self.locate(observation["pixels"])}
        return super().predict(observation, *args, **kwargs)

    @torch.no_grad()
    def locate(self, pixels: Array) -> Array:
        """The object's position in metres, (3,) or (B, 3), in the newest frame of uint8 stacks."""
        newest = torch.as_tensor(np.ascontiguousarray(pixels[..., -3:, :, :]))
        positions: torch.Tensor = self.localizer(newest.reshape(-1, *newest.shape[-3:]))
        return positions.reshape(*newest.shape[:-3], 3).double().numpy()

    def dump_logs(self) -> None:
        """Adds the localizer's error in centimetres on the newest frames."""
        if self.replay_buffer.sightings.count:
            frames, positions = self.replay_buffer.sightings.newest(200)
            with torch.no_grad():
                errors = 100 * (self.localizer(frames) - positions).norm(dim=1)  # metres to centimetres
            self.logger.record("train/localizer_error_cm", float(errors.median()))
            self.logger.record("train/localizer_error_95_cm", float(errors.quantile(0.95)))
        super().dump_logs()

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_localizer", "_lesson", "_teacher"]
