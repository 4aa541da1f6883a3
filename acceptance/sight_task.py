"""``acceptance.sight_task:Sight-v0``: the specification's tiny task, large enough for every encoder."""

import gymnasium as gym
from visual_her_spec.sight_env import SightEnv

SIZE = 36  # pixels, NatureCNN's least; a square is 3 of them, as FetchPush's puck is 3 to 5 of 84

gym.register(
    "Sight-v0", SightEnv, kwargs={"size": SIZE}, max_episode_steps=SightEnv.EPISODE_LENGTH,  # type: ignore[arg-type]
    disable_env_checker=True, order_enforce=False,
)  # fmt: skip
