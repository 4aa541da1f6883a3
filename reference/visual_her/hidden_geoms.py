"""Geoms that the camera cannot see are not drawn: on FetchPush 47 % of all triangles, in two parts of the base."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

WATCHED_DRAWS = 50  # an episode
AT_REST = 1e-5  # metres, and entries of the rotation; the base of the Fetch robot trembles by 5e-7
AROUND = 0.01  # metres by which the camera is moved to see whether a geom is well hidden
_NO_GROUP = mujoco.mjNGROUP - 1


class HiddenGeoms:
    """Leaves geoms out of the scene that stand still behind other geoms that stand still; the picture is the same.

    For ``WATCHED_DRAWS`` pictures everything is drawn. What was ``AT_REST`` in all of them is then drawn alone, as a
    segmentation, from the camera and from eight places around it, a thousand times farther than anything at rest moves.
    What has no pixel in any of them is left out. When something that was at rest moves or changes its colour, all is
    drawn again and watched twice as long. Nothing is ever left out of a model with shadows or mirrors.

    Args:
        env: an unwrapped environment with MuJoCo's ``model`` and ``data``.
    """

    def __init__(self, env: Any) -> None:
        self._env = env
        self._watched_draws = WATCHED_DRAWS
        self._watch()

    @contextlib.contextmanager
    def left_out(self, renderer: mujoco.Renderer, camera: Any) -> Iterator[None]:
        """Within this context the geoms that ``camera`` cannot see are in no visible group."""
        self._draws += 1
        still = self._resting()
        if self._draws < self._watched_draws:
            self._at_rest &= still
        elif self._draws == self._watched_draws:
            self._hidden = self._find(renderer, camera)
        elif self._hidden.size and not still[self._at_rest].all():
            self._watched_draws *= 2
            self._watch()
        with self._without(self._hidden):
            yield

    def _watch(self) -> None:
        self._draws = 0
        self._reference = self._poses()
        self._colours = self._env.model.geom_rgba.copy()
        self._at_rest = np.ones(self._env.model.ngeom, np.bool_)
        self._hidden = np.zeros(0, np.intp)

    def _poses(self) -> npt.NDArray[np.float64]:
        return np.concatenate([self._env.data.geom_xpos, self._env.data.geom_xmat], axis=1)  # (ngeom, 12)

    def _resting(self) -> npt.NDArray[np.bool_]:
        still = (np.abs(self._poses() - self._reference) < AT_REST).all(axis=1)
        unpainted = (self._env.model.geom_rgba == self._colours).all(axis=1)
        return np.asarray(still & unpainted)  # (ngeom,)

    def _find(self, renderer: mujoco.Renderer, camera: Any) -> npt.NDArray[np.intp]:
        model = self._env.model
        opaque = (model.geom_rgba[:, 3] == 1) & (np.append(model.mat_rgba[:, 3], 1)[model.geom_matid] == 1)
        self._at_rest &= self._resting() & opaque
        if model.light_castshadow.any() or model.mat_reflectance.any():
            return self._hidden
        seen = np.zeros(model.ngeom, np.bool_)
        options = mujoco.MjvOption()
        options.sitegroup[:] = 0
        renderer.enable_segmentation_rendering()
        centre = camera.lookat.copy()
        try:
            for corner in [(0, 0, 0), *itertools.product((-1, 1), repeat=3)]:
                camera.lookat[:] = centre + AROUND * np.array(corner)
                with self._without(np.flatnonzero(~self._at_rest)):
                    renderer.update_scene(self._env.data, camera=camera, scene_option=options)
                ids = renderer.render()
                seen[ids[..., 0][ids[..., 1] == mujoco.mjtObj.mjOBJ_GEOM]] = True
        finally:
            camera.lookat[:] = centre
            renderer.disable_segmentation_rendering()
        return np.flatnonzero(self._at_rest & ~seen)

    @contextlib.contextmanager
    def _without(self, geoms: npt.NDArray[np.intp]) -> Iterator[None]:
        groups = self._env.model.geom_group
        before = groups[geoms].copy()
        groups[geoms] = _NO_GROUP
        try:
            yield
        finally:
            groups[geoms] = before
