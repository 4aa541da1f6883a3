"""PixelObservationWrapper: a goal-conditioned robot task seen through a camera (chapter sections 9.3 and 9.9)."""

from __future__ import annotations

import warnings
from collections import deque
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from PIL import Image

from visual_her.rendering import CAMERAS, Camera, Frame, FrameRenderer, GoalMarker

GoalMode = Literal["none", "desired", "both"]
Observation = dict[str, npt.NDArray[Any]]

GOAL_KEYS: dict[str, tuple[str, ...]] = {
    "none": (),
    "desired": ("desired_goal",),
    "both": ("achieved_goal", "desired_goal"),
}

# grip_pos, gripper_state, grip_velp, gripper_vel of the 25-D state of the Fetch tasks with an object.
FETCH_OBJECT_PROPRIOCEPTION = (0, 1, 2, 9, 10, 20, 21, 22, 23, 24)


class PixelObservationWrapper(gym.Wrapper[Observation, Any, Observation, Any], gym.utils.RecordConstructorArgs):
    """Replaces the state by a stack of camera frames, proprioception and the goal vectors that ``goal_mode`` grants.

    The observation is a dict:

    * ``pixels``: uint8 (3 * frame_stack, image_size, image_size), channels first, oldest frame first. A reset
      fills the stack with the episode's first frame; no frame crosses an episode.
    * ``proprioception``: float64 (10,), metres and metres per control step, nothing about the object. An observation
      without an object (FetchReach, 10-D) is proprioception as a whole.
    * ``achieved_goal``, ``desired_goal``: float64 (3,), metres, as ``goal_mode`` says.

    Pixels and vectors are of the same instant, and arrays that were returned never change afterwards.

    An environment that is not a MuJoCo one is drawn by its own ``render()`` (uint8 (H, W, 3)), resized if it has
    another size.

    Args:
        env: a goal environment with the keys ``observation``, ``achieved_goal`` and ``desired_goal``.
        goal_mode: which goal vectors the observation has: ``none``, ``desired`` or ``both`` (the chapter).
        frame_stack: number of frames.
        image_size: side of a frame, in pixels.
        render_size: side at which MuJoCo draws; ``None`` is twice ``image_size`` (see ``FrameRenderer``), 480 is
            the chapter's pipeline.
        camera: ``default`` (the library's), ``table`` or ``close``.
        goal_marker: ``visible`` or ``hidden``.
        proprioception: indices into ``observation``; ``None`` chooses by the task.

    Raises:
        ValueError: an unknown option, or an environment without goals.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        *,
        goal_mode: GoalMode = "both",
        frame_stack: int = 4,
        image_size: int = 84,
        render_size: int | None = None,
        camera: Camera = "default",
        goal_marker: GoalMarker = "visible",
        proprioception: tuple[int, ...] | None = None,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self,
            goal_mode=goal_mode,
            frame_stack=frame_stack,
            image_size=image_size,
            render_size=render_size,
            camera=camera,
            goal_marker=goal_marker,
            proprioception=proprioception,
        )
        gym.Wrapper.__init__(self, env)
        _check_options(env, goal_mode, frame_stack, image_size, render_size, camera, goal_marker)
        source: spaces.Dict = env.observation_space  # type: ignore[assignment]
        self._goal_keys = GOAL_KEYS[goal_mode]
        self._proprioception = _proprioception_indices(env, source, proprioception)
        self._frames: deque[Frame] = deque(maxlen=frame_stack)
        self._image_size = image_size
        self._renderer: FrameRenderer | None = None
        if hasattr(env.unwrapped, "model") and hasattr(env.unwrapped, "data"):
            self._renderer = FrameRenderer(
                env,
                image_size=image_size,
                render_size=render_size or 2 * image_size,
                camera=camera,
                goal_marker=goal_marker,
            )
        count = len(self._proprioception)
        self.observation_space = spaces.Dict(  # type: ignore[assignment]
            {
                "pixels": spaces.Box(0, 255, (3 * frame_stack, image_size, image_size), np.uint8),
                "proprioception": spaces.Box(-np.inf, np.inf, (count,), np.float64),
                **{key: source[key] for key in self._goal_keys},
            }
        )

    @property
    def frame_renderer(self) -> FrameRenderer | None:
        """The MuJoCo renderer, or ``None`` where the environment draws itself."""
        return self._renderer

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode; the stack is filled with its first frame."""
        state, info = self.env.reset(seed=seed, options=options)
        self._append_frame(fill=True)
        return self._observe(state), info

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Steps the task and appends one frame."""
        state, reward, terminated, truncated, info = self.env.step(action)
        self._append_frame()
        return self._observe(state), float(reward), terminated, truncated, info

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """The task's own reward, for goals of shape (3,) or (B, 3); HER calls it for relabelled goals."""
        return self.env.get_wrapper_attr("compute_reward")(achieved_goal, desired_goal, info)

    def close(self) -> None:
        """Frees the GL context and closes the task."""
        if self._renderer is not None:
            self._renderer.close()
        super().close()

    def _append_frame(self, *, fill: bool = False) -> None:
        frame = self._draw()
        self._frames.extend([frame] * ((self._frames.maxlen or 1) if fill else 1))

    def _pixels(self) -> Observation:
        return {"pixels": np.concatenate([frame.transpose(2, 0, 1) for frame in self._frames])}  # (3 * stack, H, W)

    def _draw(self) -> Frame:
        if self._renderer is not None:
            return self._renderer.draw()
        picture = np.asarray(self.env.render())
        if picture.shape[:2] == (self._image_size, self._image_size):
            return picture.copy()
        size = (self._image_size, self._image_size)
        return np.array(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))

    def _observe(self, state: Observation) -> Observation:
        vector = np.array(state["observation"][self._proprioception], np.float64)
        goals = {key: np.array(state[key], np.float64) for key in self._goal_keys}
        return {**self._pixels(), "proprioception": vector, **goals}


class BlankPixels(gym.ObservationWrapper[Observation, Any, Observation]):
    """The blind control: the same observation with every pixel at 0."""

    def observation(self, observation: Observation) -> Observation:
        """Replaces ``pixels`` by zeros of the same shape and dtype."""
        return {**observation, "pixels": np.zeros_like(observation["pixels"])}


def _check_options(
    env: gym.Env[Any, Any],
    goal_mode: str,
    frame_stack: int,
    image_size: int,
    render_size: int | None,
    camera: str,
    goal_marker: str,
) -> None:
    for name, value, allowed in (
        ("goal_mode", goal_mode, ("none", "desired", "both")),
        ("camera", camera, tuple(CAMERAS)),
        ("goal_marker", goal_marker, ("visible", "hidden")),
    ):
        if value not in allowed:
            raise ValueError(f"{name}={value!r} is unknown: choose one of {', '.join(allowed)}.")
    if frame_stack < 1 or image_size < 1 or (render_size is not None and render_size < image_size):
        raise ValueError(
            f"frame_stack={frame_stack}, image_size={image_size} and render_size={render_size} do not fit: "
            "use at least one frame of one pixel, rendered at least as large as it is returned."
        )
    if 3 * frame_stack > image_size:
        warnings.warn(
            f"frame_stack={frame_stack} makes more channels than an image of image_size={image_size} has rows, and SB3 "
            "takes them for the rows: use fewer frames or larger images.",
            stacklevel=3,
        )
    needed = {"observation", "achieved_goal", "desired_goal"}
    if not isinstance(env.observation_space, spaces.Dict) or not needed <= set(env.observation_space.spaces):
        raise ValueError(f"{env} is no goal environment: it needs observation, achieved_goal and desired_goal.")


def _proprioception_indices(
    env: gym.Env[Any, Any], source: spaces.Dict, chosen: tuple[int, ...] | None
) -> npt.NDArray[np.intp]:
    width = int(np.prod(source["observation"].shape or (0,)))
    if chosen is None:
        chosen = FETCH_OBJECT_PROPRIOCEPTION if getattr(env.unwrapped, "has_object", False) else tuple(range(width))
    if any(not 0 <= index < width for index in chosen):
        raise ValueError(f"proprioception={chosen} points outside the {width}-D observation.")
    return np.array(chosen, np.intp)
