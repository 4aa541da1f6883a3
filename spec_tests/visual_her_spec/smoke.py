"""The adapter, before the implementation: does every factory answer with the promised shapes?

A mistake here is the adapter's, not the implementation's, and ends with exit code 10 and one sentence.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from visual_her_spec.batches import ACTION_SPACE, SMALL_SPACE, random_batch
from visual_her_spec.fake_env import FakeEnv, compute_reward
from visual_her_spec.protocol import Capability, Implementation

ROLES = {"encoder", "actor", "critic"}
CLAIMED_METHODS = {
    Capability.RANDOM_SHIFT: ("random_shift",),
    Capability.LEARNING: ("learn",),
    Capability.TRAINING: ("train", "evaluate"),
}


class AdapterError(Exception):
    """The adapter cannot be used; the message is one sentence that says what to mend."""


def check_adapter(impl: Implementation, areas: Iterable[str] = ()) -> None:
    """Calls every factory and probe once that these areas need; all of them if none is named.

    Raises:
        AdapterError: one is missing, raises, or returns something else than the protocol says.
    """
    for name in ("name", "version", "capabilities", "tau", "gamma", "entropy_coefficient"):
        if not hasattr(impl, name):
            raise AdapterError(f"{type(impl).__name__} has no attribute {name!r}: see protocol.Implementation.")
    unknown = [claim for claim in impl.capabilities if claim not in set(Capability)]
    if unknown:
        raise AdapterError(f"capability {unknown[0]!r} is unknown: choose from visual_her_spec.protocol.Capability.")
    for claim, methods in CLAIMED_METHODS.items():
        missing = [method for method in methods if claim in impl.capabilities and not hasattr(impl, method)]
        if missing:
            raise AdapterError(
                f"{type(impl).__name__} claims '{claim}' but has no method {missing[0]!r}: see protocol.Implementation."
            )
    chosen = set(areas) or {"OBS", "ENC", "GRD", "RPL"}
    for check, needed_by in (
        (_env, {"OBS"}),
        (_encoder, {"ENC"}),
        (_agent, {"GRD", "SAV", "TRN"}),
        (_replay, {"HER", "RPL"}),
    ):
        if chosen & needed_by:
            check(impl)


def _env(impl: Implementation) -> None:
    task = FakeEnv(size=12)
    env = _call(impl, "make_env", task, image_size=12, frame_stack=2)
    observation, _ = _call(env, "reset", seed=0)
    _keys("make_env(...).reset()", observation, {"pixels", "achieved_goal", "desired_goal"})
    if len(_call(env, "step", env.action_space.sample())) != 5:
        raise AdapterError("make_env(...).step() does not return five values: use gymnasium's API.")


def _encoder(impl: Implementation) -> None:
    encoder = _call(impl, "make_encoder", SMALL_SPACE)
    batch = random_batch(2)
    features = _array("make_encoder(...).features", _call(encoder, "features", batch.observations), 2)
    if features.ndim != 2:
        raise AdapterError(f"make_encoder(...).features returns shape {features.shape}: return (batch, features).")
    if Capability.SPATIAL_SOFTMAX in impl.capabilities:
        keypoints = _call(encoder, "keypoints", np.zeros((2, 3, 5, 7), np.float32))
        if _array("keypoints", keypoints, 2).shape != (2, 3, 2):
            raise AdapterError(
                f"keypoints of a (2, 3, 5, 7) map have shape {np.shape(keypoints)}: return (2, 3, 2), x then y."
            )


def _agent(impl: Implementation) -> None:
    agent = _call(impl, "make_agent", SMALL_SPACE, ACTION_SPACE, seed=0)
    batch = random_batch(4)
    roles = _call(agent, "parameters")
    if not isinstance(roles, dict) or not set(roles) >= ROLES:
        raise AdapterError(f"parameters() has the roles {sorted(roles)}: it needs {', '.join(sorted(ROLES))}.")
    known = {f"{role}/{name}" for role, named in roles.items() for name in named}
    for optimizer, held in _call(agent, "optimizers").items():
        strange = [name for name in held if name not in known]
        if strange:
            raise AdapterError(f"optimizer {optimizer!r} holds {strange[0]!r}, which parameters() does not list.")
    _call(agent, "update_critic", batch)
    _call(agent, "update_actor", batch)
    _call(agent, "update_target")
    if _array("td_target", _call(agent, "td_target", batch), 4).shape != (4,):
        raise AdapterError("td_target does not return shape (batch,): flatten it.")
    acted = _array("act", _call(agent, "act", batch.observations, deterministic=True), 4)
    if acted.shape != (4, *(ACTION_SPACE.shape or ())):
        raise AdapterError(f"act returns shape {acted.shape}: return (batch, actions).")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent.zip"
        _call(agent, "save", path)
        _call(impl, "load_agent", path)


def _replay(impl: Implementation) -> None:
    env = _call(impl, "make_env", FakeEnv(size=12), image_size=12, frame_stack=2)
    replay = _call(
        impl, "make_replay", env.observation_space, env.action_space, capacity=40, n_envs=1, n_sampled_goal=4,
        compute_reward=compute_reward, episode_length=5,
    )  # fmt: skip
    for _ in range(2):
        observation, _ = env.reset()
        over = False
        while not over:
            action = env.action_space.sample()
            following, reward, terminated, truncated, _ = env.step(action)
            flags = np.array([terminated]), np.array([truncated])
            _call(replay, "add", _one(observation), _one(following), action[None], np.array([reward]), *flags)
            observation, over = following, terminated or truncated
    sampled = _call(replay, "sample", 3)
    if not hasattr(sampled, "observations") or _array("sample(...).rewards", sampled.rewards, 3).shape != (3,):
        raise AdapterError("make_replay(...).sample does not return a visual_her_spec.protocol.Batch: see its fields.")
    _keys("sample(...).observations", sampled.observations, {"pixels", "achieved_goal", "desired_goal"})
    if not isinstance(_call(replay, "size"), int):
        raise AdapterError("make_replay(...).size() does not return an int.")


def _one(observation: dict[str, Any]) -> dict[str, Any]:
    return {key: np.asarray(value)[None] for key, value in observation.items()}


def _call(owner: Any, name: str, *arguments: Any, **options: Any) -> Any:
    method: Callable[..., Any] | None = getattr(owner, name, None)
    if method is None:
        raise AdapterError(f"{type(owner).__name__} has no method {name!r}: see visual_her_spec.protocol.")
    try:
        return method(*arguments, **options)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise AdapterError(f"{type(owner).__name__}.{name} raised {type(error).__name__}: {reason}") from error


def _array(what: str, value: Any, batch: int) -> Any:
    if not isinstance(value, np.ndarray) or value.shape[:1] != (batch,):
        got = f"shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise AdapterError(f"{what} returns {got} for a batch of {batch}: return a NumPy array, batch first.")
    return value


def _keys(what: str, observation: Any, needed: set[str]) -> None:
    if not isinstance(observation, dict) or not needed <= set(observation):
        got = sorted(observation) if isinstance(observation, dict) else type(observation).__name__
        raise AdapterError(f"{what} has {got}: it needs {', '.join(sorted(needed))}.")
