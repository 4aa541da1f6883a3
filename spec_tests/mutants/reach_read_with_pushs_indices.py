"""FetchReach's state, which has no object, is cut apart with the indices of the other Fetch tasks."""

from visual_her import pixel_env
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"OBS-011": "pick indices only where the task has an object"}
MAY_ALSO_FAIL = ()


def _proprioception_indices(env, source, chosen):
    width = source["observation"].shape[0]
    if hasattr(env.unwrapped, "has_object"):
        chosen = tuple(index for index in pixel_env.FETCH_OBJECT_PROPRIOCEPTION if index < width)
    return right(env, source, chosen)


right = pixel_env._proprioception_indices
pixel_env._proprioception_indices = _proprioception_indices
