"""The blind control with history tells what four frames would, and nothing of an earlier episode."""

from __future__ import annotations

import numpy as np
from visual_her.pixel_env import FETCH_OBJECT_PROPRIOCEPTION
from visual_her.vec_env import make_task

from acceptance import blind_history


def test_the_history_is_the_last_four_steps_and_crosses_no_episode() -> None:
    env = make_task("acceptance.blind_history:FetchPushBlind-v0")
    plain = make_task("FetchPush-v4")
    env.action_space.seed(0)
    for seed in (0, 1):
        observation, _ = env.reset(seed=seed)
        seen, _ = plain.reset(seed=seed)
        expected = [_now(seen)] * blind_history.STEPS
        for _ in range(50):
            assert np.array_equal(observation["observation"], np.concatenate(expected[-blind_history.STEPS :]))
            assert env.observation_space.contains(observation)
            action = env.action_space.sample()
            observation, reward, *_, truncated, _ = env.step(action)
            seen, same, *_ = plain.step(action)
            assert reward == same
            expected.append(_now(seen))
        assert truncated
    env.close()
    plain.close()


def _now(seen: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([seen["observation"][list(FETCH_OBJECT_PROPRIOCEPTION)], seen["achieved_goal"]])
