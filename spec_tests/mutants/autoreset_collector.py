"""The step with which a vector env only resets (next-step autoreset) is stored, with the old action and reward 0."""

import numpy as np
from visual_her import sac
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-023": "next-step autoreset"}
MAY_ALSO_FAIL = ()


def _store_transition(self, replay_buffer, buffer_action, new_obs, reward, dones, infos):
    right(self, replay_buffer, buffer_action, new_obs, reward, dones, infos)
    if dones.all():  # the time limit ends all episodes at once
        finals = [info["terminal_observation"] for info in infos]
        final = {key: np.stack([each[key] for each in finals]) for key in new_obs}
        replay_buffer.add(final, new_obs, buffer_action, 0 * reward, ~dones, [{} for _ in infos])


right = sac.PixelSAC._store_transition
sac.PixelSAC._store_transition = _store_transition
