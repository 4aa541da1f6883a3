"""The buffer's size is divided by the number of envs by who makes the buffer, and by the buffer."""

from visual_her import replay
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"RPL-014": "that need not be overwritten yet"}
MAY_ALSO_FAIL = ()


def _init(self, buffer_size, *arguments, n_envs=1, **options):
    right(self, buffer_size // n_envs, *arguments, n_envs=n_envs, **options)


right = replay.HerFrameBuffer.__init__
replay.HerFrameBuffer.__init__ = _init
