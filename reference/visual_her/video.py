"""A video of an agent at work: the scene, and beside it the newest frame it sees, with what it makes of that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw

from visual_her.belief import filtered
from visual_her.encoders import ManipulationExtractor, SpatialSoftmax
from visual_her.errors import UsageError
from visual_her.evaluation import Picture, run_episode
from visual_her.pixel_env import Observation
from visual_her.probe import linear_estimates
from visual_her.rendering import FrameRenderer
from visual_her.rewards_alone import BeliefSAC
from visual_her.sac import PixelSAC

Array = npt.NDArray[np.float64]

SIDE = 336  # pixels: 4 x 84, 8 x 42
FRAMES_PER_SECOND = 20
KEYPOINT, TRUE, ESTIMATED, BELIEVED = (255, 210, 0), (0, 200, 0), (230, 0, 230), (0, 200, 230)


def record(
    agent: PixelSAC, env: Any, path: Path, *, seeds: list[int], estimate: Callable[[Observation], Array] | None = None
) -> None:
    """Plays one deterministic episode a seed and writes them as one GIF.

    The frame that the agent sees has its keypoints (yellow dots), the true position of ``achieved_goal`` (green
    circle) and, where ``estimate`` is given, the position that the features show (magenta cross). An agent with a
    belief has its estimate, a circle of the estimate's own sigma, and the belief (cyan cross).

    Args:
        agent: the agent.
        env: its environment, a MuJoCo task.
        path: ending in .gif.
        seeds: of the resets.
        estimate: observation -> position (3,) in metres.

    Raises:
        UsageError: the task is not MuJoCo's.
    """
    if not hasattr(env.unwrapped, "model"):
        raise UsageError(f"{env.spec and env.spec.id} is no MuJoCo task: there is nothing to film.")
    scene = FrameRenderer(env, image_size=SIDE, render_size=2 * SIDE, camera="table")
    eye = env.get_wrapper_attr("frame_renderer") if agent_sees(env) else None

    state: Any = None

    def picture(observation: Observation) -> Picture:
        nonlocal state
        whole = scene.draw()
        if eye is None:
            return whole
        frame = Image.fromarray(observation["pixels"][-3:].transpose(1, 2, 0))
        seen = frame.resize((SIDE, SIDE), Image.Resampling.NEAREST)
        drawing = ImageDraw.Draw(seen)
        for x, y in _keypoints(agent, observation["pixels"]) * SIDE:
            drawing.ellipse((x - 3, y - 3, x + 3, y + 3), fill=KEYPOINT)
        x, y = project(eye, observation["achieved_goal"]) * SIDE
        drawing.ellipse((x - 12, y - 12, x + 12, y + 12), outline=TRUE, width=3)
        if estimate is not None:
            _cross(drawing, project(eye, estimate(observation)) * SIDE, ESTIMATED)
        if isinstance(agent, BeliefSAC):
            (estimated,), state = agent.believe(observation["pixels"], state)
            x, y = project(eye, estimated[:3]) * SIDE
            radius = abs(project(eye, estimated[:3] + np.array([0, estimated[3], 0]))[0] * SIDE - x)
            drawing.ellipse((x - radius, y - radius, x + radius, y + radius), outline=ESTIMATED)
            _cross(drawing, np.array([x, y]), ESTIMATED)
            _cross(drawing, project(eye, filtered(state, agent.filter_name)[0]) * SIDE, BELIEVED)
        return np.concatenate([whole, np.full((SIDE, 6, 3), 255, np.uint8), np.asarray(seen)], axis=1)

    pictures: list[Picture] = []
    try:
        for seed in seeds:
            state = None
            pictures += run_episode(agent, env, seed, picture).pictures
    finally:
        scene.close()
    imageio.mimsave(path, pictures, duration=1000 / FRAMES_PER_SECOND, loop=0)  # type: ignore[arg-type]


def agent_sees(env: Any) -> bool:
    """Whether the environment's observations have pixels."""
    return "pixels" in env.observation_space.spaces


def position_estimator(agent: PixelSAC, env: Any, *, seeds: list[int]) -> Callable[[Observation], Array] | None:
    """What the agent's features say of the object's position.

    Args:
        agent: a linear probe is fitted; an agent with a belief needs none.
        env: its environment.
        seeds: of the episodes that the probe is fitted on.

    Returns:
        Observation -> (3,) in metres, or ``None`` where the agent sees no pixels, or has a belief.
    """
    if not agent_sees(env) or isinstance(agent, BeliefSAC):
        return None
    observed: list[Observation] = []

    def keep(observation: Observation) -> Picture:
        observed.append(observation)
        return observation["pixels"]

    for seed in seeds:
        run_episode(agent, env, seed, keep)
    features = np.array([_features(agent, observation["pixels"]) for observation in observed])
    positions = np.array([observation["achieved_goal"] for observation in observed])

    def estimate(observation: Observation) -> Array:
        inputs = np.vstack([features, _features(agent, observation["pixels"])])
        outputs = np.vstack([positions, np.zeros(3)])
        estimates = linear_estimates(inputs, outputs, np.arange(len(inputs)) < len(features))
        position: Array = estimates[-1]
        return position

    return estimate


def project(renderer: FrameRenderer, position: Array) -> Array:
    """Where a position (3,) in metres appears in a frame: (column, row) as shares of its width and height."""
    camera, other = renderer._update(renderer._open()).scene.camera  # of two eyes; a single picture is from between
    right = np.cross(camera.forward, camera.up)
    offset = position - (camera.pos + other.pos) / 2
    depth = offset @ camera.forward / camera.frustum_near
    height = camera.frustum_top - camera.frustum_bottom  # the frame is square
    column = offset @ right / depth / height + 0.5
    row = (camera.frustum_top - offset @ camera.up / depth) / height
    return np.array([column, row])


def _cross(drawing: ImageDraw.ImageDraw, at: Array, colour: tuple[int, int, int]) -> None:
    x, y = at
    drawing.line((x - 9, y, x + 9, y), fill=colour, width=3)
    drawing.line((x, y - 9, x, y + 9), fill=colour, width=3)


@torch.no_grad()
def _features(agent: PixelSAC, pixels: npt.NDArray[np.uint8]) -> Array:
    extractor: ManipulationExtractor = agent.critic.features_extractor  # type: ignore[assignment]
    batch = torch.as_tensor(pixels[None], device=agent.device).float() / 255
    return extractor.pixel_features(batch)[0].double().cpu().numpy()


@torch.no_grad()
def _keypoints(agent: PixelSAC, pixels: npt.NDArray[np.uint8]) -> Array:
    """(N, 2) shares of width and height; none where the encoder has no keypoints."""
    cnn: Any
    softmax: Any
    if isinstance(agent, BeliefSAC):
        layers: Any = agent.classifier.averaged.keypoints
        cnn, softmax = layers
        batch = torch.as_tensor(pixels[None, -3:], device=agent.device).float() / 255 - 0.5
    else:
        extractor: ManipulationExtractor = agent.critic.features_extractor  # type: ignore[assignment]
        softmax = next(iter(extractor.head), None)
        if not isinstance(softmax, SpatialSoftmax):
            return np.empty((0, 2))
        cnn = extractor.cnn
        batch = torch.as_tensor(pixels[None], device=agent.device).float() / 255
    feature_map = cnn(batch)
    points = softmax.keypoints(feature_map)[0].double().cpu().numpy()  # (N, 2) from cell centre to cell centre
    cells = feature_map.shape[-1]
    stride = pixels.shape[-1] / cells  # a cell looks at the pixel that its strides lead to
    shares: Array = ((points + 1) / 2 * (cells - 1) * stride + 0.5) / pixels.shape[-1]
    return shares
