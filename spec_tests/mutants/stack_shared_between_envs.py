"""The stack belongs to the class: environments of the same frame_stack append to the same one."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-014": "give each env a stack of its own"}
MAY_ALSO_FAIL = ()

stacks = {}


def _init(self, env, **options):
    right(self, env, **options)
    self._frames = stacks.setdefault(self._frames.maxlen, self._frames)


right = pixel_env.PixelObservationWrapper.__init__
pixel_env.PixelObservationWrapper.__init__ = _init
