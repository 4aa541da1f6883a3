"""The adapter, before the implementation: does every factory and probe answer with what the protocol promises?

A mistake here is the adapter's, not the implementation's, and ends with exit code 10 and one sentence.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable
from dataclasses import fields, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from visual_her_spec.batches import ACTION_SPACE, SMALL_SPACE, random_batch
from visual_her_spec.catalogue import AREAS
from visual_her_spec.fake_env import FakeEnv, compute_reward, frame_at, vectors_at
from visual_her_spec.protocol import Batch, Capability, Implementation

ROLES = {"encoder", "actor", "critic"}
CLAIMED_METHODS = {
    Capability.RANDOM_SHIFT: ("random_shift",),
    Capability.LEARNING: ("learn",),
    Capability.TRAINING: ("train", "evaluate"),
    Capability.BELIEF: ("make_belief_agent",),
}
GOALS = {"pixels", "achieved_goal", "desired_goal"}
SIZE, FRAME_STACK, EPISODE_LENGTH = 12, 2, 5
STEP = "(observation, reward, terminated, truncated, info)"


class AdapterError(Exception):
    """The adapter cannot be used; the message is one sentence that says what to mend, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def check_adapter(impl: Implementation, areas: Iterable[str] = ()) -> None:
    """Calls every factory and probe that these areas and the claims need; those of all areas if none is named.

    ``learn``, ``train`` and ``evaluate`` are whole runs: they only have to be there.

    Raises:
        AdapterError: one is missing, raises, or returns something else than the protocol says.
    """
    try:
        _check(impl, set(areas) or set(AREAS))
    except AdapterError:
        raise
    except (Exception, SystemExit) as error:  # what nobody thought of is no verdict on the implementation either
        raise AdapterError(f"the adapter could not be checked ({type(error).__name__}: {_line(error)}).") from error


def _check(impl: Implementation, areas: set[str]) -> None:
    _attributes(impl)
    shift = {"AUG"} if Capability.RANDOM_SHIFT in impl.capabilities else set()
    goal_modes = {"ENC"} if Capability.GOAL_MODES in impl.capabilities else set()
    needed = {
        _env: {"OBS", "HER", "RPL"},
        _encoder: {"ENC"},
        _shift: shift,
        _policy: {"GRD", "SAV", "TRN"} | goal_modes | shift,
        _agent: {"GRD", "SAV", "TRN"},
        _replay: {"HER", "RPL"} | shift,
        _replay_file: {"RPL"},
    }
    for check, needed_by in needed.items():
        if areas & needed_by:
            check(impl)


def _attributes(impl: Implementation) -> None:
    if isinstance(impl, type):
        raise AdapterError(f"{impl.__name__} is a class: give an instance.")
    for name in ("name", "version"):
        if not isinstance(_attribute(impl, name), str):
            raise AdapterError(f"{name} is {_shown(_attribute(impl, name))}: give a str, which reports show.")
    claims = _attribute(impl, "capabilities")
    if not isinstance(claims, (frozenset, set)):
        raise AdapterError(f"capabilities is {_shown(claims)}: give a frozenset of protocol.Capability.")
    unknown = [claim for claim in claims if claim not in set(Capability)]
    if unknown:
        raise AdapterError(f"capability {unknown[0]!r} is unknown: choose from visual_her_spec.protocol.Capability.")
    for name in ("tau", "gamma", "entropy_coefficient"):
        if not _is_number(_attribute(impl, name)):
            raise AdapterError(f"{name} is {_shown(_attribute(impl, name))}: give a finite number.")
    for claim, methods in CLAIMED_METHODS.items():
        missing = [method for method in methods if claim in claims and not callable(_found(impl, method))]
        if missing:
            raise AdapterError(
                f"{type(impl).__name__} claims '{claim}' but has no method {missing[0]!r}: see protocol.Implementation."
            )


def _env(impl: Implementation) -> None:
    task = FakeEnv(size=SIZE)
    env = _made(impl, "make_env", "an environment", task, image_size=SIZE, frame_stack=FRAME_STACK)
    space = _attribute(env, "observation_space")
    if not isinstance(space, spaces.Dict) or not set(space.spaces) >= GOALS:
        got = f"a Dict with {_listed(space.spaces)}" if isinstance(space, spaces.Dict) else _kind(space)
        raise AdapterError(f"make_env(...).observation_space is {got}: give a spaces.Dict with {_listed(GOALS)}.")
    answer = _call(env, "reset", seed=0)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise AdapterError(f"make_env(...).reset returns {_kind(answer)}: return (observation, info).")
    _observation("make_env(...).reset", answer[0])
    answer = _call(env, "step", task.action_space.sample())
    if not isinstance(answer, tuple) or len(answer) != 5:
        raise AdapterError(f"make_env(...).step returns {_kind(answer)}: return {STEP}.")
    observation, reward, *flags, _ = answer
    _observation("make_env(...).step", observation)
    if not _is_number(reward):
        raise AdapterError(f"make_env(...).step returns the reward {_shown(reward)}: return a finite number.")
    for name, flag in zip(("terminated", "truncated"), flags, strict=True):
        if not isinstance(flag, (bool, np.bool_)):
            raise AdapterError(f"make_env(...).step returns {_shown(flag)} for {name}: return a bool.")


def _observation(method: str, observation: Any) -> None:
    if not isinstance(observation, dict):
        raise AdapterError(f"{method} returns {_kind(observation)} as its observation: return a dict.")
    if not set(observation) >= GOALS:
        raise AdapterError(
            f"{method} returns an observation with {_listed(observation)}: it needs {_listed(GOALS)} by default."
        )
    for key, value in sorted(observation.items()):
        _array(f"{method} returns", value, (...,), "return the observation's values", of=repr(key))


def _encoder(impl: Implementation) -> None:
    encoder = _made(impl, "make_encoder", "an EncoderProbe", SMALL_SPACE)
    observations = random_batch(2).observations
    features = "return (batch, features)"
    _array("features returns", _call(encoder, "features", observations), (2, None), features)
    received = _call(encoder, "network_input", observations["pixels"])
    _array("network_input returns", received, (2, ...), "return what the first layer receives, batch first")
    if Capability.SPATIAL_SOFTMAX in impl.capabilities:
        feature_map = _call(encoder, "feature_map", observations["pixels"])
        _array("feature_map returns", feature_map, (2, None, None, None), "return (batch, channels, height, width)")
        for temperature in ((), (0.5,)):
            found = _call(encoder, "keypoints", np.zeros((2, 3, 5, 7), np.float32), *temperature)
            _array("keypoints returns", found, (2, 3, 2), "return (2, 3, 2) for a (2, 3, 5, 7) map, x then y")
    others = [{"variant": "flatten"}] if Capability.FLATTEN in impl.capabilities else []
    others += [{"goal_mode": "none"}] if Capability.GOAL_MODES in impl.capabilities else []
    for options in others:
        other = _made(impl, "make_encoder", "an EncoderProbe", SMALL_SPACE, **options)
        _array("features returns", _call(other, "features", observations), (2, None), features)


def _shift(impl: Implementation) -> None:
    pixels = random_batch(2).observations["pixels"]
    shifted = _call(impl, "random_shift", pixels, pad=2, seed=0)
    _array("random_shift returns", shifted, pixels.shape, f"return {pixels.shape}, as the pixels are")


def _policy(impl: Implementation) -> None:
    for goal_mode in ("both", "none") if Capability.GOAL_MODES in impl.capabilities else ("both",):
        _acts(_made(impl, "make_agent", "an AgentProbe", SMALL_SPACE, ACTION_SPACE, goal_mode=goal_mode, seed=0))


def _agent(impl: Implementation) -> None:
    agent = _made(impl, "make_agent", "an AgentProbe", SMALL_SPACE, ACTION_SPACE, goal_mode="both", seed=0)
    _optimizers(agent, _parameters(agent))
    batch = random_batch(4)
    for update, options in (("update_critic", {}), ("update_actor", {}), ("update_actor", {"learning_rate": 0.0})):
        loss = _call(agent, update, batch, **options)
        if not isinstance(loss, Real):  # whose value no requirement reads
            raise AdapterError(f"{update} returns {_shown(loss)}: return the loss, a float.")
    _call(agent, "update_target")
    several = [replace(batch, discounts=np.full(4, 0.5, np.float32))] if Capability.N_STEP in impl.capabilities else []
    for given in (batch, *several):
        _array("td_target returns", _call(agent, "td_target", given), (4,), "return (batch,)")
    _acts(agent)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent.zip"
        _call(agent, "save", path)
        loaded = _made(impl, "load_agent", "an AgentProbe", path)
        _parameters(loaded)
        _acts(loaded)


def _acts(agent: Any) -> None:
    batch = random_batch(4)
    for deterministic in (True, False):
        acts = _call(agent, "act", batch.observations, deterministic=deterministic)
        _array("act returns", acts, (4, *(ACTION_SPACE.shape or ())), "return (batch, actions)")
    values = _call(agent, "q_values", batch.observations, batch.actions)
    _array("q_values returns", values, (4, None), "return (batch, number of critics)")


def _parameters(agent: Any) -> dict[str, dict[str, Any]]:
    roles = _call(agent, "parameters")
    if not isinstance(roles, dict):
        raise AdapterError(f"parameters returns {_kind(roles)}: return a dict of roles, each name -> array.")
    if not set(roles) >= ROLES:
        raise AdapterError(f"parameters returns the roles {_listed(roles)}: it needs {_listed(ROLES)}.")
    for role, named in roles.items():
        if not isinstance(named, dict):
            raise AdapterError(f"parameters returns {_kind(named)} for {role!r}: return a dict of name -> array.")
        for name, value in named.items():
            _array("parameters returns", value, (...,), "return a copy of its values", of=repr(f"{role}/{name}"))
    return roles


def _optimizers(agent: Any, roles: dict[str, dict[str, Any]]) -> None:
    known = {f"{role}/{name}" for role, named in roles.items() for name in named}
    optimizers = _call(agent, "optimizers")
    if not isinstance(optimizers, dict):
        raise AdapterError(f"optimizers returns {_kind(optimizers)}: return a dict of optimizer -> list of role/name.")
    for optimizer, held in optimizers.items():
        if not isinstance(held, (list, tuple)):
            raise AdapterError(f"optimizers returns {_kind(held)} for {optimizer!r}: return a list of role/name.")
        strange = [name for name in held if name not in known]
        if strange:
            raise AdapterError(f"optimizer {optimizer!r} holds {strange[0]!r}, which parameters() does not list.")


def _replay(impl: Implementation) -> None:
    replay = _filled_replay(impl)
    _contents(replay)
    if Capability.FRAME_DEDUPLICATION in impl.capabilities:
        _is_int("nbytes", _call(replay, "nbytes"))
    if Capability.N_STEP in impl.capabilities:
        _contents(_filled_replay(impl, n_steps=3, gamma=0.5))


def _replay_file(impl: Implementation) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _call(_filled_replay(impl), "save", Path(folder) / "replay")
        restored = _empty_replay(impl)
        _call(restored, "load", Path(folder) / "replay")
        _is_int("size", _call(restored, "size"))


def _filled_replay(impl: Implementation, **options: Any) -> Any:
    replay = _empty_replay(impl, **options)
    for episode in range(2):
        for step in range(EPISODE_LENGTH):
            now, after = _observation_at(episode, step), _observation_at(episode, step + 1)
            flags = np.array([False]), np.array([step == EPISODE_LENGTH - 1])
            _call(replay, "add", now, after, np.zeros((1, 2), np.float32), np.array([-1.0], np.float32), *flags)
    return replay


def _empty_replay(impl: Implementation, **options: Any) -> Any:
    values = {key: value[0] for key, value in _observation_at(0, 0).items()}
    space = spaces.Dict(
        {
            key: spaces.Box(0, 255, value.shape, np.uint8)
            if key == "pixels"
            else spaces.Box(-np.inf, np.inf, value.shape, np.float64)
            for key, value in values.items()
        }
    )
    shift = {"drq_pad": 2} if Capability.RANDOM_SHIFT in impl.capabilities else {}
    return _made(
        impl, "make_replay", "a ReplayProbe", space, spaces.Box(-1.0, 1.0, (2,), np.float32), capacity=40, n_envs=1,
        n_sampled_goal=4, compute_reward=compute_reward, episode_length=EPISODE_LENGTH, **shift, **options,
    )  # fmt: skip


def _observation_at(episode: int, step: int) -> dict[str, Any]:
    """What a wrapped ``FakeEnv`` shows, for a batch of one env."""
    frames = [frame_at(0, episode, at, SIZE).transpose(2, 0, 1) for at in (max(step - 1, 0), step)]
    vectors = vectors_at(0, episode, step)
    observation = {"pixels": np.concatenate(frames), "proprioception": vectors.pop("observation"), **vectors}
    return {key: value[None] for key, value in observation.items()}


def _contents(replay: Any) -> None:
    _is_int("size", _call(replay, "size"))
    batch = _call(replay, "sample", 3)
    if not all(hasattr(batch, field.name) for field in fields(Batch)):
        raise AdapterError(f"sample returns {_kind(batch)}: return a visual_her_spec.protocol.Batch.")
    for side in ("observations", "next_observations"):
        observations = getattr(batch, side)
        if not isinstance(observations, dict):
            raise AdapterError(f"sample(...).{side} is {_kind(observations)}: give a dict of arrays.")
        for key, added in sorted(_observation_at(0, 0).items()):
            if key not in observations:
                raise AdapterError(f"sample(...).{side} has no {key!r}: give every key that was added.")
            shape = (3, *added.shape[1:])
            _array(f"sample(...).{side} has", observations[key], shape, f"give {shape}", of=repr(key))
    _array("sample(...).actions is", batch.actions, (3, 2), "give (batch, actions)")
    _array("sample(...).rewards is", batch.rewards, (3,), "give (batch,)")
    _array("sample(...).terminated is", batch.terminated, (3,), "give (batch,)")
    if batch.discounts is not None:
        _array("sample(...).discounts is", batch.discounts, (3,), "give (batch,)")


def _attribute(owner: Any, name: str) -> Any:
    missing = object()
    value = _found(owner, name, missing)
    if value is missing:
        raise AdapterError(f"{type(owner).__name__} has no attribute {name!r}: see visual_her_spec.protocol.")
    return value


def _found(owner: Any, name: str, otherwise: Any = None) -> Any:
    try:
        return getattr(owner, name, otherwise)
    except (Exception, SystemExit) as error:
        raise _raised(owner, name, error) from error


def _call(owner: Any, name: str, *arguments: Any, **options: Any) -> Any:
    method = _found(owner, name)
    if not callable(method):
        raise AdapterError(f"{type(owner).__name__} has no method {name!r}: see visual_her_spec.protocol.")
    try:
        return method(*arguments, **options)
    except (Exception, SystemExit) as error:
        raise _raised(owner, name, error) from error


def _made(owner: Any, factory: str, kind: str, *arguments: Any, **options: Any) -> Any:
    made = _call(owner, factory, *arguments, **options)
    if made is None:
        raise AdapterError(f"{factory} returns None: return {kind}.")
    return made


def _raised(owner: Any, name: str, error: BaseException) -> AdapterError:
    return AdapterError(f"{type(owner).__name__}.{name} raised {type(error).__name__}: {_line(error)}")


def _array(subject: str, value: Any, shape: tuple[Any, ...], advice: str, *, of: str = "") -> None:
    """Holds an answer to be finite numbers in a NumPy array; ``None`` is any size, a last ``...`` any more axes."""
    verb, at = advice.split()[0], f" for {of}" if of else ""
    if not isinstance(value, np.ndarray):
        what = advice.removeprefix(f"{verb} ")
        raise AdapterError(f"{subject} {_kind(value)}{at}: {verb} a NumPy array, {what}.")
    sizes = shape[:-1] if shape[-1:] == (...,) else shape
    given = value.shape[: len(sizes)] if shape[-1:] == (...,) else value.shape
    if len(given) != len(sizes) or any(size not in (None, found) for size, found in zip(sizes, given, strict=True)):
        raise AdapterError(f"{subject} shape {value.shape}{at}: {advice}.")
    if value.dtype.kind not in "biuf":
        raise AdapterError(f"{subject} an array of {value.dtype}{at}: {verb} numbers.")
    if not np.isfinite(value).all():
        raise AdapterError(f"{subject} NaN or infinity{at}: {verb} finite numbers.")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _is_int(method: str, value: Any) -> None:
    if not isinstance(value, int):
        raise AdapterError(f"{method} returns {_shown(value)}: return an int.")


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} values"
    return "None" if value is None else type(value).__name__


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value) if isinstance(value, Real) else _kind(value)


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, names))) or "nothing"


def _line(error: BaseException) -> str:
    return str(error)[:200]
