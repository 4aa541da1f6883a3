"""One camera picture of a MuJoCo task: the GL backend, the camera, the anti-aliasing.

A frame is drawn by ``mujoco.Renderer`` at twice the wanted size without multisampling and box-averaged: half the
price of the library's own 84-pixel render, and closer to the chapter's 480-then-resize picture (DESIGN section 3).
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import sys
import weakref
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

_requested = os.environ.pop("MUJOCO_GL", None)
try:
    # Where MUJOCO_GL names a library that is missing, mujoco cannot even be imported. Without the variable it can, and
    # choose_backend then says in one sentence what to install.
    import mujoco
finally:
    if _requested is not None:
        os.environ["MUJOCO_GL"] = _requested

from visual_her.hidden_geoms import HiddenGeoms  # noqa: E402  # imports mujoco

Camera = Literal["default", "table", "close"]
GoalMarker = Literal["visible", "hidden"]
Frame = npt.NDArray[np.uint8]


class RenderingUnavailableError(RuntimeError):
    """No off-screen OpenGL on this machine; the message names the package to install."""


@dataclass(frozen=True)
class FreeCamera:
    """A free camera: distance in metres, angles in degrees, look-at point in metres."""

    distance: float
    azimuth: float
    elevation: float
    lookat: tuple[float, float, float]


CAMERAS: dict[str, FreeCamera] = {
    # gymnasium-robotics' own camera for the Fetch tasks: at 84x84 pixels the puck is 3 pixels wide.
    "default": FreeCamera(distance=2.5, azimuth=132.0, elevation=-14.0, lookat=(1.3, 0.75, 0.55)),
    # Closer and higher: the puck is 6x7 pixels, gripper and table stay in view.
    "table": FreeCamera(distance=1.1, azimuth=132.0, elevation=-30.0, lookat=(1.3, 0.75, 0.45)),
    # From the other side and closer: 14 pixels of the puck at 42x42 instead of 10 (median of 200 resets of FetchPush).
    "close": FreeCamera(distance=0.9, azimuth=228.0, elevation=-25.0, lookat=(1.3, 0.75, 0.45)),
}

_INSTALL_HINT = (
    "no off-screen OpenGL found: install EGL (Debian/Ubuntu: apt-get install libegl1 libgl1-mesa-dri) "
    "or OSMesa (apt-get install libosmesa6); an NVIDIA container also needs NVIDIA_DRIVER_CAPABILITIES=all"
)


def choose_backend() -> str:
    """Makes ``mujoco.Renderer`` draw off screen: ``MUJOCO_GL`` if it is set, else EGL, else OSMesa.

    Returns:
        The backend's name, which is also left in ``MUJOCO_GL`` for worker processes.

    Raises:
        RenderingUnavailableError: neither backend opens a context.
    """
    requested = os.environ.get("MUJOCO_GL", "").lower().strip()
    errors = []
    for name in [requested] if requested else ["egl", "osmesa"]:
        if name not in ("egl", "osmesa", "glfw"):
            raise RenderingUnavailableError(f"MUJOCO_GL={name} draws nothing: unset it, or use egl, osmesa or glfw")
        if name == "glfw":
            return name  # a window system that the user asked for: mujoco has dealt with it at import
        try:
            context_class = importlib.import_module(f"mujoco.{name}").GLContext
            context = context_class(16, 16)
            context.make_current()
            context.free()
        except Exception as error:  # every binding fails in its own way, often with an AttributeError
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            platform = os.environ.pop("PYOPENGL_PLATFORM", name)
            if platform != name:
                reason += f"; PYOPENGL_PLATFORM={platform} chooses another: unset it"
            errors.append(f"{name}: {reason}")
            for module in [m for m in sys.modules if m == "OpenGL" or m.startswith("OpenGL.")]:
                del sys.modules[module]  # PyOpenGL binds to one platform when it is first imported
            continue
        # mujoco reads MUJOCO_GL once, when it is imported; this is what it would have chosen then.
        sys.modules[mujoco.Renderer.__module__].gl_context.GLContext = context_class
        os.environ["MUJOCO_GL"] = name
        return name
    raise RenderingUnavailableError(f"{_INSTALL_HINT} ({'; '.join(errors)})")


def gl_renderer_name() -> str:
    """The GL_RENDERER string of the current context, such as ``llvmpipe (LLVM 15.0.6, 256 bits)``."""
    from OpenGL import GL

    name = GL.glGetString(GL.GL_RENDERER)
    return name.decode() if isinstance(name, bytes) else str(name)


def probe_gl_renderer(size: int = 16) -> tuple[str, str]:
    """Opens a context, draws (size, size) pixels, closes it: (backend, GL_RENDERER).

    Raises:
        RenderingUnavailableError: no context could be opened, or none of this size.
    """
    backend = choose_backend()
    model = mujoco.MjModel.from_xml_string("<mujoco/>")
    model.vis.global_.offwidth = model.vis.global_.offheight = size
    try:
        with mujoco.Renderer(model, size, size) as renderer:
            renderer.render()
            return backend, gl_renderer_name()
    except Exception as error:
        raise RenderingUnavailableError(f"MUJOCO_GL={backend} draws nothing here: unset it, or use egl") from error


class FrameRenderer:
    """Draws (image_size, image_size, 3) uint8 frames of one Fetch environment.

    The GL context is opened at the first frame, not at construction: many processes that open EGL at once can hang.

    Args:
        env: an environment whose ``unwrapped`` has MuJoCo's ``model`` and ``data``.
        image_size: side of the returned square frame, in pixels.
        render_size: side of the rendered frame, in pixels. ``image_size`` itself is the fastest, one sample a pixel;
            a multiple is box-averaged; any other size is rendered with the model's multisampling and resized
            bilinearly, as the chapter does with 480.
        camera: a key of ``CAMERAS``.
        goal_marker: whether the red sphere at the desired goal is drawn. HER cannot repaint it.
    """

    def __init__(
        self,
        env: Any,
        *,
        image_size: int,
        render_size: int,
        camera: Camera = "default",
        goal_marker: GoalMarker = "visible",
    ) -> None:
        self._env = env.unwrapped
        self.image_size = image_size
        self.render_size = render_size
        self._box = render_size // image_size if render_size % image_size == 0 else None
        self._view = CAMERAS[camera]
        self._hide_marker = goal_marker == "hidden"
        self._marker = mujoco.mj_name2id(self._env.model, mujoco.mjtObj.mjOBJ_SITE, "target0")
        self._renderer: mujoco.Renderer | None = None
        self._buffer = np.empty((render_size, render_size, 3), np.uint8)
        self._hidden: HiddenGeoms | None = None

    def draw(self) -> Frame:
        """The scene as it is now, (image_size, image_size, 3) uint8, a fresh array; each channel is contiguous."""
        picture = self._draw(self._open())
        if self._box is None:
            size = (self.image_size, self.image_size)
            picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
        elif self._box > 1:
            return _box_average(picture, self._box)
        return picture.transpose(2, 0, 1).copy().transpose(1, 2, 0)

    def segment(self) -> npt.NDArray[np.int32]:
        """(image_size, image_size, 2) int32: MuJoCo's (object id, object type) of each pixel, -1 for none."""
        renderer = self._open()
        renderer.enable_segmentation_rendering()
        try:
            ids = self._update(renderer).render()
        finally:
            renderer.disable_segmentation_rendering()
        centres = ((np.arange(self.image_size) + 0.5) * self.render_size / self.image_size).astype(np.intp)
        return np.asarray(ids[np.ix_(centres, centres)], np.int32)

    @property
    def gl_renderer(self) -> str:
        """GL_RENDERER of this renderer's own context."""
        self._draw(self._open())  # mujoco.Renderer makes its context current when it renders
        return gl_renderer_name()

    def close(self) -> None:
        """Frees the GL context; the next ``draw`` opens a new one."""
        if self._renderer is not None:
            self._finalizer()
            atexit.unregister(self._finalizer)
            self._renderer = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the GL context: a copy in another process opens its own."""
        unpicklable = ("_camera", "_options", "_finalizer")
        state = {key: value for key, value in vars(self).items() if key not in unpicklable}
        return state | {"_renderer": None, "_hidden": None}

    def _open(self) -> mujoco.Renderer:
        if self._renderer is None:
            choose_backend()
            visual = self._env.model.vis
            before = (visual.global_.offwidth, visual.global_.offheight, visual.quality.offsamples)
            # Read only when the context is made: put back afterwards, so that env.render() stays what it was.
            visual.global_.offwidth = visual.global_.offheight = self.render_size
            visual.quality.offsamples = before[2] if self._box is None else 0
            try:
                self._renderer = mujoco.Renderer(self._env.model, self.render_size, self.render_size)
            except Exception as error:
                raise RenderingUnavailableError(f"{_INSTALL_HINT} ({error})") from error
            finally:
                visual.global_.offwidth, visual.global_.offheight, visual.quality.offsamples = before
            self._camera = _free_camera(self._env.model, self._view)
            self._options = mujoco.MjvOption()
            self._hidden = HiddenGeoms(self._env) if self._box else None  # multisampling would blur geoms' numbers
            if self._hide_marker:
                self._options.sitegroup[:] = 0
            # Freed when this object goes, and at exit before mujoco terminates EGL: exit handlers run newest first, and
            # mujoco registered its own when the context was made.
            self._finalizer = weakref.finalize(self, self._renderer.close)
            self._finalizer.atexit = False
            atexit.register(self._finalizer)
        return self._renderer

    def _update(self, renderer: mujoco.Renderer) -> mujoco.Renderer:
        """The library moves the marker by ``model.site_pos`` and an ``mj_forward``; its derived position is enough."""
        places = self._env.data.site_xpos
        before = places[self._marker].copy()
        if self._marker >= 0:
            places[self._marker] = self._env.goal
        renderer.update_scene(self._env.data, camera=self._camera, scene_option=self._options)
        if self._marker >= 0:
            places[self._marker] = before  # env.render() computes with it
        return renderer

    def _draw(self, renderer: mujoco.Renderer) -> Frame:
        with self._hidden.left_out(renderer, self._camera) if self._hidden else contextlib.nullcontext():
            self._update(renderer)
        renderer.render(out=self._buffer)
        return self._buffer


def _free_camera(model: Any, view: FreeCamera) -> Any:
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    camera.distance, camera.azimuth, camera.elevation = view.distance, view.azimuth, view.elevation
    camera.lookat[:] = view.lookat
    return camera


def _box_average(picture: Frame, box: int) -> Frame:
    """(k*n, k*n, 3) uint8 -> (n, n, 3) uint8, the rounded mean of each k-by-k block; each channel is contiguous."""
    size = picture.shape[0] // box
    dtype = np.uint32 if box > 15 else np.uint16
    rows: npt.NDArray[Any] = picture[::box].reshape(size, -1).astype(dtype)  # (n, k*n*3)
    for line in range(1, box):
        rows += picture[line::box].reshape(size, -1)
    total = np.full((3, size, size), box * box // 2, dtype)
    for channel in range(3):
        for column in range(box):
            total[channel] += rows[:, channel + 3 * column :: 3 * box]
    averaged: Frame = (total // (box * box)).astype(np.uint8)
    return averaged.transpose(1, 2, 0)
