"""``sight_task:Sight-v0``: the specification's tiny task under a name, so that a whole run can be trained on it."""

import gymnasium as gym
from visual_her_spec.sight_env import SightEnv

EPISODE = 10  # steps

gym.register("Sight-v0", lambda: SightEnv(16), max_episode_steps=EPISODE, disable_env_checker=True, order_enforce=False)
