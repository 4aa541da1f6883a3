"""The verdict: exit codes, a broken adapter in one sentence, known failures strict both ways, names of entry points."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from visual_her import cli
from visual_her.conformance import IMPLEMENTATION, Reference
from visual_her_spec.conformance import check_adapter_only, check_implementation
from visual_her_spec.plugin import ENTRY_POINTS, load_implementation
from visual_her_spec.protocol import Capability
from visual_her_spec.report import Verdict, read_footer
from visual_her_spec.smoke import check_adapter


class WithoutShift(Reference):
    """Its augmentation does nothing."""

    def random_shift(self, pixels: Any, *, pad: int, seed: int) -> Any:
        return pixels


class Nameless:
    """Hardly an adapter."""


class NameRaises(Reference):
    """Its name is not there yet."""

    def __init__(self) -> None:
        """Sets no name."""

    @property
    def name(self) -> str:  # type: ignore[override]
        raise RuntimeError("no name\nyet")


class ClaimsExit(Reference):
    """Its claims end the process."""

    @property
    def capabilities(self) -> Any:  # type: ignore[override]
        sys.exit("no claims")


class Without:
    """What a factory made, but for some probes."""

    def __init__(self, made: Any, **others: Any) -> None:
        self._made = made
        vars(self).update(others)

    def __getattr__(self, name: str) -> Any:
        """The rest is as it was."""
        return getattr(self._made, name)


def has(**attributes: Any) -> Reference:
    """The reference with other attributes or methods."""
    adapter = Reference()
    vars(adapter).update(attributes)
    return adapter


def gives(factory: str, probe: str, change: Callable[[Any], Any] | None) -> Reference:
    """The reference, but a probe of what a factory makes gives something else; without the probe if that is None."""

    def make(*arguments: Any, **options: Any) -> Any:
        made = getattr(Reference(), factory)(*arguments, **options)
        real = getattr(made, probe)
        return Without(made, **{probe: change and (lambda *a, **o: change(real(*a, **o)))})

    return has(**{factory: make})


def gone(status: Any) -> Callable[..., Any]:
    """A method that ends the process."""
    return lambda *arguments, **options: sys.exit(status)


def nothing(*arguments: Any, **options: Any) -> None:
    """Returns None."""


def with_tensors(arrays: dict[str, Any]) -> dict[str, Any]:
    """PyTorch's instead of NumPy's."""
    return {key: torch.as_tensor(value) for key, value in arrays.items()}


def of_one_step(*arguments: Any, **options: Any) -> Any:
    """``make_replay`` of an adapter that knows nothing of several steps."""
    if {"n_steps", "gamma"} & set(options):
        raise TypeError("make_replay() got an unexpected keyword argument 'n_steps'")
    return Reference().make_replay(*arguments, **options)


def with_batch(**fields: Callable[[Any], Any]) -> Reference:
    """The reference, but fields of its replay's batches are something else."""

    def change(batch: Any) -> Any:
        return dataclasses.replace(batch, **{name: field(getattr(batch, name)) for name, field in fields.items()})

    return gives("make_replay", "sample", change)


ATTRIBUTES = {
    "a class": (Reference, "Reference is a class: give an instance"),
    "nothing": (None, "NoneType has no attribute 'name'"),
    "nameless": (Nameless(), "Nameless has no attribute 'name'"),
    "name raises": (NameRaises(), "NameRaises.name raised RuntimeError: no name yet"),
    "claims exit": (ClaimsExit(), "ClaimsExit.capabilities raised SystemExit: no claims"),
    "name of another type": (has(name=3), "name is 3: give a str"),
    "capabilities None": (has(capabilities=None), "capabilities is None: give a frozenset of"),
    "capabilities a str": (has(capabilities="learning"), "capabilities is 'learning': give a frozenset of"),
    "strange claim": (has(capabilities=frozenset({"telepathy"})), "capability 'telepathy' is unknown"),
    "tau a str": (has(tau="x"), "tau is 'x': give a finite number"),
    "gamma NaN": (has(gamma=float("nan")), "gamma is nan: give a finite number"),
    "claims learning": (has(learn=None), "claims 'learning' but has no method 'learn'"),
    "claims training": (has(evaluate=None), "claims 'training' but has no method 'evaluate'"),
    "claims the shift": (has(random_shift=None), "claims 'random-shift' but has no method 'random_shift'"),
    "no such module": ("no_such_module:IMPLEMENTATION", "cannot be loaded (ModuleNotFoundError"),
    "no such name": ("no-such-name", "is no entry point of visual_her.implementations"),
}
ENVS = {
    "make_env missing": (has(make_env=None), "Reference has no method 'make_env'"),
    "make_env None": (has(make_env=nothing), "make_env returns None: return an environment"),
    "make_env exits": (has(make_env=gone(3)), "Reference.make_env raised SystemExit: 3"),
    "reset None": (gives("make_env", "reset", nothing), "reset returns None: return (observation, info)"),
    "reset without info": (
        gives("make_env", "reset", lambda answer: answer[0]),
        "reset returns dict: return (observation, info)",
    ),
    "reset without goals": (
        gives("make_env", "reset", lambda answer: ({"pixels": answer[0]["pixels"]}, {})),
        "reset returns an observation with pixels: it needs achieved_goal, desired_goal, pixels",
    ),
    "step None": (
        gives("make_env", "step", nothing),
        "step returns None: return (observation, reward, terminated, truncated, info)",
    ),
    "step as of old": (
        gives("make_env", "step", lambda answer: answer[:4]),
        "step returns 4 values: return (observation, reward, terminated, truncated, info)",
    ),
    "step without a reward": (
        gives("make_env", "step", lambda answer: (answer[0], None, *answer[2:])),
        "step returns the reward None: return a finite number",
    ),
    "pixels a tensor": (
        gives("make_env", "reset", lambda answer: (with_tensors(answer[0]), {})),
        "reset returns Tensor for 'achieved_goal': return a NumPy array",
    ),
}
ENCODERS = {
    "make_encoder None": (has(make_encoder=nothing), "make_encoder returns None: return an EncoderProbe"),
    "features 1-D": (
        gives("make_encoder", "features", lambda found: found[:, 0]),
        "features returns shape (2,): return (batch, features)",
    ),
    "network_input missing": (gives("make_encoder", "network_input", None), "has no method 'network_input'"),
    "network_input None": (gives("make_encoder", "network_input", nothing), "network_input returns None: return a"),
    "feature_map missing": (gives("make_encoder", "feature_map", None), "has no method 'feature_map'"),
    "feature_map None": (gives("make_encoder", "feature_map", nothing), "feature_map returns None: return a NumPy"),
    "feature_map flat": (
        gives("make_encoder", "feature_map", lambda found: found.reshape(len(found), -1)),
        "return (batch, channels, height, width)",
    ),
    "keypoints flat": (
        gives("make_encoder", "keypoints", lambda found: found.reshape(2, -1)),
        "keypoints returns shape (2, 6): return (2, 3, 2) for a (2, 3, 5, 7) map, x then y",
    ),
    "shift None": (has(random_shift=nothing), "random_shift returns None: return a NumPy array"),
    "shift crops": (
        has(random_shift=lambda pixels, *, pad, seed: pixels[..., pad:]),
        "return (2, 12, 36, 36), as the pixels are",
    ),
}
AGENTS = {
    "make_agent None": (has(make_agent=nothing), "make_agent returns None: return an AgentProbe"),
    "parameters None": (gives("make_agent", "parameters", nothing), "parameters returns None: return a dict of roles"),
    "parameters without critic": (
        gives("make_agent", "parameters", lambda roles: {"encoder": {}, "actor": {}}),
        "parameters returns the roles actor, encoder: it needs actor, critic, encoder",
    ),
    "parameters listed": (
        gives("make_agent", "parameters", lambda roles: {role: list(named) for role, named in roles.items()}),
        "parameters returns list for 'encoder': return a dict",
    ),
    "parameters tensors": (
        gives("make_agent", "parameters", lambda roles: {role: with_tensors(named) for role, named in roles.items()}),
        "parameters returns Tensor for 'encoder/",
    ),
    "optimizers a list": (gives("make_agent", "optimizers", list), "optimizers returns list: return a dict"),
    "optimizers None": (
        gives("make_agent", "optimizers", lambda held: dict.fromkeys(held)),
        "optimizers returns None for 'actor': return a list of role/name",
    ),
    "optimizers of unlisted": (
        gives("make_agent", "optimizers", lambda held: {"adam": ["actor/nowhere"]}),
        "optimizer 'adam' holds 'actor/nowhere', which parameters() does not list",
    ),
    "update_critic None": (
        gives("make_agent", "update_critic", nothing),
        "update_critic returns None: return the loss",
    ),
    "td_target NaN": (
        gives("make_agent", "td_target", lambda target: target * np.nan),
        "td_target returns NaN or infinity: return finite numbers",
    ),
    "td_target (B, 1)": (
        gives("make_agent", "td_target", lambda target: target[:, None]),
        "td_target returns shape (4, 1): return (batch,)",
    ),
    "act one too many": (
        gives("make_agent", "act", lambda acts: np.pad(acts, ((0, 0), (0, 1)))),
        "act returns shape (4, 5): return (batch, actions).",
    ),
    "act objects": (
        gives("make_agent", "act", lambda acts: acts.astype(object)),
        "act returns an array of object: return numbers",
    ),
    "q_values None": (
        gives("make_agent", "q_values", nothing),
        "q_values returns None: return a NumPy array, (batch, ",
    ),
    "q_values 1-D": (
        gives("make_agent", "q_values", lambda values: values[:, 0]),
        "q_values returns shape (4,): return (batch, number of critics)",
    ),
    "load_agent None": (has(load_agent=nothing), "load_agent returns None: return an AgentProbe"),
    "goal modes": (
        has(make_agent=lambda observation_space, action_space, seed: None),
        "make_agent raised TypeError",
    ),
}
REPLAYS = {
    "make_replay None": (has(make_replay=nothing), "make_replay returns None: return a ReplayProbe"),
    "make_replay exits": (has(make_replay=gone("there is\nno buffer")), "raised SystemExit: there is no buffer"),
    "sample a dict": (
        gives("make_replay", "sample", vars),
        "sample returns dict: return a visual_her_spec.protocol.Batch",
    ),
    "terminated None": (with_batch(terminated=nothing), "sample(...).terminated is None: give a NumPy array, (batch,)"),
    "rewards (B, 1)": (
        with_batch(rewards=lambda rewards: rewards[:, None]),
        "sample(...).rewards is shape (3, 1): give (batch,)",
    ),
    "discounts (B, 1)": (
        with_batch(discounts=lambda discounts: None if discounts is None else discounts[:, None]),
        "sample(...).discounts is shape (3, 1): give (batch,)",
    ),
    "n_steps not taken": (has(make_replay=of_one_step), "make_replay raised TypeError"),
    "observations tensors": (
        with_batch(observations=with_tensors),
        "sample(...).observations has Tensor for 'achieved_goal': give a NumPy array",
    ),
    "next_observations None": (with_batch(next_observations=nothing), "sample(...).next_observations is None"),
    "size None": (gives("make_replay", "size", nothing), "size returns None: return an int"),
    "nbytes missing": (gives("make_replay", "nbytes", None), "has no method 'nbytes'"),
    "nbytes None": (gives("make_replay", "nbytes", nothing), "nbytes returns None: return an int"),
    "save missing": (gives("make_replay", "save", None), "has no method 'save'"),
    "load raises": (gives("make_replay", "load", lambda _: 1 / 0), "load raised ZeroDivisionError"),
}
BROKEN = {
    f"{kind}: {what}": case
    for kind, cases in (
        ("adapter", ATTRIBUTES),
        ("env", ENVS),
        ("encoder", ENCODERS),
        ("agent", AGENTS),
        ("replay", REPLAYS),
    )
    for what, case in cases.items()
}


@pytest.mark.parametrize(("adapter", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_adapter_is_one_sentence_and_exit_code_10(adapter: Any, sentence: str) -> None:
    report = check_adapter_only(adapter)
    assert (report.verdict, report.exit_code) == (Verdict.ADAPTER_WRONG, 10)
    assert sentence in report.adapter_error
    assert "\n" not in report.headline()


def test_whatever_else_goes_wrong_in_the_check_is_the_adapters_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visual_her_spec.smoke._agent", gone("good\nbye"))
    report = check_adapter_only(Reference())
    assert report.adapter_error == "the adapter could not be checked (SystemExit: good bye)."


def test_what_is_not_claimed_is_not_called() -> None:
    adapter = has(capabilities=frozenset(), random_shift=None, learn=None, train=None, evaluate=None)
    vars(adapter).update(
        make_encoder=lambda *a, **o: Without(Reference().make_encoder(*a, **o), feature_map=None, keypoints=None),
        make_replay=lambda *a, **o: Without(of_one_step(*a, **o), nbytes=None),
    )
    report = check_adapter_only(adapter)
    assert (report.verdict, report.exit_code) == (Verdict.ADAPTER_USABLE, 0), report.headline()


@pytest.mark.parametrize(
    ("area", "missing"), [("GRD", "make_env"), ("GRD", "make_replay"), ("RPL", "make_agent"), ("OBS", "make_encoder")]
)
def test_an_area_needs_no_more_than_its_own_factories(area: str, missing: str) -> None:
    check_adapter(has(**{missing: None}), [area])


SOURCES = {
    "does not compile": ("class Adapter(:\n", "cannot be loaded (SyntaxError"),
    "exits when imported": ("raise SystemExit(3)\n", "cannot be loaded (SystemExit: 3)"),
    "claims nothing at all": ("IMPLEMENTATION = Reference()\nIMPLEMENTATION.capabilities = None\n", "capabilities is"),
    "exits": ("IMPLEMENTATION = Reference()\nIMPLEMENTATION.make_agent = lambda *a, **o: exit(3)\n", "SystemExit: 3"),
    "has no Q values": (
        "class Adapter(Reference):\n"
        "    def make_agent(self, *arguments, **options):\n"
        "        agent = super().make_agent(*arguments, **options)\n"
        "        agent.q_values = lambda observations, actions: None\n"
        "        return agent\n"
        "IMPLEMENTATION = Adapter()\n",
        "q_values returns None",
    ),
}


@pytest.mark.parametrize(("source", "sentence"), SOURCES.values(), ids=SOURCES)
def test_every_way_in_ends_with_the_same_exit_code(
    source: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "an_adapter.py").write_text(f"from visual_her.conformance import Reference\n{source}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "an_adapter", raising=False)
    path = "an_adapter:IMPLEMENTATION"
    report = check_implementation(path, areas=["GRD"])
    assert report.exit_code == 10
    assert sentence in report.adapter_error
    ways: dict[str, Callable[[], int]] = {
        "--smoke": lambda: cli.run(["conform", "--impl", path, "--smoke"]),
        "visual-her conform": lambda: cli.run(["conform", "--impl", path, "--area", "GRD"]),
        "pytest": lambda: pytest.main(
            "-q -c /dev/null -p no:cacheprovider -p visual_her_spec.plugin --pyargs visual_her_spec "
            f"--impl={path} --area=GRD".split()
        ),
    }
    for way, start in ways.items():
        assert start() == 10, way
        shown = capsys.readouterr()
        assert sentence in shown.out, way
        assert "Traceback" not in shown.out + shown.err, way


def test_a_failed_must_is_exit_code_1() -> None:
    report = check_implementation(WithoutShift(), areas=["AUG"])
    assert report.exit_code == 1
    assert report.failures


def test_known_failures_are_named_and_no_longer_fail(tmp_path: Path) -> None:
    failed = [result.id for result in check_implementation(WithoutShift(), areas=["AUG"]).failures]
    known = tmp_path / "known.toml"
    known.write_text("".join(f'[[known]]\nid = "{identifier}"\nreason = "we have none"\n' for identifier in failed))
    report = check_implementation(WithoutShift(), areas=["AUG"], known_failures=known)
    assert report.exit_code == 0
    assert f"but for known failures of {', '.join(failed)}" in report.headline()
    assert f"known  {failed[0]}: we have none" in report.terminal()


@pytest.mark.parametrize(
    ("toml", "exit_code", "words"),
    [
        ('[[known]]\nid = "AUG-001"\nreason = "once upon a time"\n', 1, "but passes: remove it from"),
        ('[[known]]\nid = "AUG-999"\nreason = "?"\n', 10, "AUG-999, which is no requirement"),
        ('[[known]]\nid = "AUG-001"\n', 10, "write [[known]] tables with id and reason"),
        ("[[known]\n", 10, "write [[known]] tables with id and reason"),
        ("known = 3\n", 10, "write [[known]] tables with id and reason"),
    ],
)
def test_known_failures_are_strict(toml: str, exit_code: int, words: str, tmp_path: Path) -> None:
    known = tmp_path / "known.toml"
    known.write_text(toml)
    report = check_implementation(Reference(), areas=["AUG"], known_failures=known)
    assert report.exit_code == exit_code
    assert words in report.terminal()


def test_a_selection_that_leaves_something_out_is_incomplete() -> None:
    report = check_implementation(Reference(), areas=["AUG"], select=["AUG-001"])
    assert (report.verdict, report.exit_code) == (Verdict.INCOMPLETE, 11)


def test_what_is_not_claimed_is_listed_by_name() -> None:
    class Modest(Reference):
        capabilities = frozenset(Capability) - {Capability.RANDOM_SHIFT}

    report = check_implementation(Modest(), areas=["AUG"])
    assert "not claimed: random-shift" in report.headline()


def test_a_report_without_its_footer_is_none(tmp_path: Path) -> None:
    check_implementation(Reference(), areas=["AUG"], report_dir=tmp_path)
    report = tmp_path / "report.jsonl"
    assert read_footer(report)["exit_code"] == 0
    report.write_text("".join(line + "\n" for line in report.read_text().splitlines()[:-1]))
    with pytest.raises(ValueError, match="footer"):
        read_footer(report)


def test_a_name_of_the_entry_point_group_is_an_implementation(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = importlib.metadata.EntryPoint("ours", "visual_her.conformance:IMPLEMENTATION", ENTRY_POINTS)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    assert load_implementation("ours").name == IMPLEMENTATION.name


def test_an_unknown_area_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no area 'XYZ': choose from OBS"):
        check_implementation(Reference(), areas=["XYZ"])
