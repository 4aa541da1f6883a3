"""That the GL backend was chosen is remembered in the environment, which worker processes inherit."""

import os

from visual_her import rendering
from visual_her.conformance import Reference

CAUGHT_BY = {"OBS-027": "choose the GL backend in the process that draws"}
MAY_ALSO_FAIL = ()


class Mutant(Reference):
    """A pickle names it, so that a worker process runs the mutant as well."""


def _choose_backend():
    if "GL_BACKEND_CHOSEN" not in os.environ:
        os.environ["GL_BACKEND_CHOSEN"] = right()
    return os.environ["GL_BACKEND_CHOSEN"]


right = rendering.choose_backend
rendering.choose_backend = _choose_backend
IMPLEMENTATION = Mutant()
