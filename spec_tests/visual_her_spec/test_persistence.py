"""SAV: what a saved agent is after loading, and what is refused."""

from __future__ import annotations

import base64
import io
import pickle
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from visual_her_spec.batches import largest_change, make_agent, random_batch, step_gap
from visual_her_spec.catalogue import Profile, requirement
from visual_her_spec.protocol import AgentProbe, Implementation

RESUME = "chapter section 9.14"


def _trained(impl: Implementation) -> AgentProbe:
    """An agent whose target, moments and weights all differ from a new one's."""
    agent = make_agent(impl)
    for _ in range(5):
        agent.update_critic(random_batch(seed=1))
        agent.update_actor(random_batch(seed=1, spread=10.0))  # large moments
    return agent


def _saved(impl: Implementation, folder: Path) -> tuple[AgentProbe, Path]:
    agent = _trained(impl)
    path = folder / "agent.zip"
    agent.save(path)
    return agent, path


@requirement(
    "SAV-001",
    "A loaded agent MUST act as the saved one did and give the same Q-values.",
    reason="whatever is missing, weights or the statistics of a normaliser, shows here or nowhere",
    source=f"{RESUME}; DLR-RM/stable-baselines3#1526",
)
def test_outputs_come_back(impl: Implementation, tmp_path: Path) -> None:
    agent, path = _saved(impl, tmp_path)
    loaded = impl.load_agent(path)
    batch = random_batch(seed=9)
    acts = [probe.act(batch.observations, deterministic=True) for probe in (agent, loaded)]
    off = float(np.abs(acts[0] - acts[1]).max())
    assert off < 1e-6, f"the loaded agent's actions are {off:.3g} off the saved one's: save everything that act() reads"
    values = [probe.q_values(batch.observations, batch.actions) for probe in (agent, loaded)]
    off = float(np.abs(values[0] - values[1]).max())
    assert off < 1e-6, (
        f"the loaded agent's Q-values are {off:.3g} off the saved one's: save everything that the critics read"
    )


@requirement(
    "SAV-002",
    "Every parameter of encoder, actor and critics MUST come back bit for bit.",
    reason="a parameter outside of the saved modules, such as a temperature, silently starts anew",
    source=RESUME,
)
def test_parameters_come_back(impl: Implementation, tmp_path: Path) -> None:
    agent, path = _saved(impl, tmp_path)
    name, change = largest_change(agent.parameters(), impl.load_agent(path).parameters(), "encoder", "actor", "critic")
    assert change == 0, f"{name} comes back up to {change:.1g} off: save it, and in full precision"


@requirement(
    "SAV-003",
    "The target's parameters MUST come back as they were, and not as copies of the online ones.",
    reason="a target that jumps to its critic at each resume is a kink in the curve that nobody can explain",
    source=f"{RESUME}; hill-a/stable-baselines#301",
)
def test_target_comes_back(impl: Implementation, tmp_path: Path) -> None:
    agent, path = _saved(impl, tmp_path)
    before, after = agent.parameters(), impl.load_agent(path).parameters()
    roles = [role for role in ("target_critic", "target_encoder") if role in before]
    name, change = largest_change(before, after, *roles)
    assert change == 0, f"{name} comes back up to {change:.1g} off: save the target beside the online networks"


@requirement(
    "SAV-004",
    "The optimizer of critics and encoder MUST come back: the next critic step equals the one without a save.",
    reason="Adam without its moments takes full-size steps in every direction, right after each resume",
    source=f"{RESUME}; DLR-RM/stable-baselines3#1526",
)
def test_critic_optimizer_comes_back(impl: Implementation, tmp_path: Path) -> None:
    agent, path = _saved(impl, tmp_path)
    start = agent.parameters()
    outcomes = []
    for probe in (agent, impl.load_agent(path)):
        probe.update_critic(random_batch(seed=2))  # another batch than the moments', and nothing is sampled for it
        outcomes.append(probe.parameters())
    gap = step_gap(start, outcomes[0], outcomes[1], "encoder", "critic")
    assert gap < 1e-3, f"the first critic step after loading differs by {gap:.0%}: save the critic's optimizer state"


@requirement(
    "SAV-005",
    "The actor's optimizer MUST come back: the next actor step equals the one without a save, up to sampled actions.",
    reason="Adam without its moments takes full-size steps in every direction, right after each resume",
    source=f"{RESUME}; DLR-RM/stable-baselines3#1526",
)
def test_actor_optimizer_comes_back(impl: Implementation, tmp_path: Path) -> None:
    agent, path = _saved(impl, tmp_path)
    start = agent.parameters()
    outcomes = []
    for probe in (agent, impl.load_agent(path)):
        probe.update_actor(random_batch(seed=2, spread=0.1))  # small beside the moments, and so is its sampling noise
        outcomes.append(probe.parameters())
    gap = step_gap(start, outcomes[0], outcomes[1], "actor")
    assert gap < 0.5, f"the first actor step after loading differs by {gap:.0%}: save the actor's optimizer state"


# ---------------------------------------------------------------------------------------------- bad files


def _files(path: Path) -> list[Path]:
    """Every file that ``save`` wrote, the largest first."""
    return sorted((file for file in path.parent.rglob("*") if file.is_file()), key=lambda f: -f.stat().st_size)


@requirement(
    "SAV-006",
    "A truncated or overwritten checkpoint MUST be refused with an exception.",
    reason="an agent that is half loaded goes on training from noise",
    source=RESUME,
)
def test_damaged_checkpoint_is_refused(impl: Implementation, tmp_path: Path) -> None:
    _, path = _saved(impl, tmp_path)
    largest = _files(path)[0]
    whole = largest.read_bytes()
    noise = np.random.default_rng(0).bytes(len(whole))
    for damage, content in (
        ("truncated to half", whole[: len(whole) // 2]),
        ("overwritten with noise", noise),
        ("emptied", b""),
    ):
        largest.write_bytes(content)
        try:
            impl.load_agent(path)
        except Exception:  # which one is the implementation's choice
            continue
        raise AssertionError(f"a checkpoint {damage} was loaded without an error: check that it is whole, and raise")


class _Hostile:
    """Pickles as a call that creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


def _poisoned(content: bytes, pickled: bytes, array: bytes) -> Iterator[tuple[str, bytes]]:
    """(where, variant) of a file: one place after another replaced by a pickle that runs code.

    Members of a zip, and of zips in it, are replaced one at a time, but for raw tensors, which nobody unpickles;
    so are base64 strings in text that hold a pickle, as in Stable-Baselines3's ``data``.
    """
    if content.startswith(b"\x93NUMPY"):
        yield "an array", array
        return
    yield "itself", pickled
    for found in re.finditer(rb'(?<=")gA[A-Za-z0-9+/]{20,}=*(?=\\?")', content):
        yield "a base64 string", content[: found.start()] + base64.b64encode(pickled) + content[found.end() :]
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, member in members.items():
        if re.search(r"(^|/)data/\d+$", name):  # raw tensors of torch.save
            continue
        for where, variant in _poisoned(member, pickled, array):
            changed = io.BytesIO()
            with zipfile.ZipFile(changed, "w") as archive:
                for other, original in members.items():
                    archive.writestr(other, variant if other == name else original)
            yield f"{name}: {where}", changed.getvalue()


@requirement(
    "SAV-007",
    "Loading a checkpoint MUST NOT run code from it.",
    reason="checkpoints are passed around, and a pickle runs whatever its author wants on whoever loads it",
    source="docs.python.org/3/library/pickle.html; pytorch.org/docs/stable/generated/torch.load.html, weights_only",
    profile=Profile.CHAPTER,
)
def test_hostile_checkpoint_runs_nothing(impl: Implementation, tmp_path: Path) -> None:
    folder, marker = tmp_path / "checkpoint", tmp_path / "ran"
    folder.mkdir()
    _, path = _saved(impl, folder)
    hostile = _Hostile(marker)
    pickled, buffer = pickle.dumps(hostile, protocol=2), io.BytesIO()
    np.save(buffer, np.array([hostile], dtype=object), allow_pickle=True)
    pickle.loads(pickled).close()
    assert marker.exists(), "this test's own pickle runs no code"
    marker.unlink()
    for file in _files(path):
        whole = file.read_bytes()
        for where, variant in _poisoned(whole, pickled, buffer.getvalue()):
            file.write_bytes(variant)
            with suppress(Exception):  # refusing is right, ignoring the member as well
                impl.load_agent(path)
            assert not marker.exists(), (
                f"loading ran code from {file.name} ({where}): read weights with weights_only, and the rest "
                "as JSON or plain arrays"
            )
        file.write_bytes(whole)
