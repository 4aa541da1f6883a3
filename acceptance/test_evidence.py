"""The results page is what its curves say, and a curve without provenance does not get in."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path

import pytest
from visual_her import cli
from visual_her.cli import run
from visual_her.config import RUN_FIELDS, TrainConfig
from visual_her.errors import UsageError

from acceptance.__main__ import RESULTS
from acceptance.evidence import CURVES, TRACKS, Run, arms, collect, minutes, page, runs

SHORT = (
    "train --env FetchReach-v4 --full-state --batch-size 8 --net-arch 8 8 --total-steps 400 --n-envs 2 --seed 3 "
    "--buffer-size 400 --learning-starts 300 --torch-threads 1"
)


def test_the_page_is_not_stale() -> None:
    assert RESULTS.read_text() == page(CURVES), "run python -m acceptance results"


def test_every_figure_has_its_provenance() -> None:
    for committed in [*runs(CURVES), *runs(CURVES, history=True)]:
        assert committed.meta["git_commit"]
        assert committed.meta["hardware"]["cores"]
        assert committed.meta["training_time_sec"] > 0
        if committed.evaluation:
            assert committed.evaluation["step"] == committed.meta["step"]
            assert committed.evaluation["config_tag"] == committed.meta["config_tag"]
            assert committed.evaluation["seed"] == committed.meta["seed"]


def test_an_arm_belongs_to_one_track() -> None:
    for name in arms():
        assert len({committed.track for committed in runs(CURVES) if committed.arm == name}) <= 1


def test_each_track_has_its_own_table() -> None:
    sections = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", RESULTS.read_text(), flags=re.MULTILINE))
    for track in TRACKS:
        mentioned = set(re.findall(r"^\| `(.+?)` \|", sections[track.capitalize()], flags=re.MULTILINE))
        assert mentioned == {committed.arm for committed in runs(CURVES) if committed.track == track}


def test_committed_files_tell_nothing_of_the_machines_folders() -> None:
    for path in CURVES.glob("*/*/*.json"):
        assert not re.search(r'": "/', path.read_text()), f"{path} holds an absolute path"


def test_a_run_is_collected_with_its_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(SHORT.split()) == 0
    (checkpoint,) = (path for path in Path("checkpoints").glob("*.zip") if not path.stem.endswith("_steps"))
    assert run(["eval", "--ckpt", str(checkpoint), "--n-eval-episodes", "2"]) == 0
    with pytest.raises(UsageError, match=r"not in arms\.toml"):
        collect(checkpoint, "unheard-of", Path("results"), tmp_path / "curves")
    folder = collect(checkpoint, "full-state", Path("results"), tmp_path / "curves")
    assert folder == tmp_path / "curves" / "full-state" / "seed3"
    (collected,) = runs(tmp_path / "curves")
    assert collected.meta["step"] == 400
    assert json.loads((folder / "eval.json").read_text())["episodes"] == 2
    assert "| `full-state` | 3 | 400 |" in page(tmp_path / "curves")
    collected.row()
    (Path("runs").rglob("progress.csv").__next__()).unlink()
    with pytest.raises(UsageError, match=r"progress\.csv is missing"):
        collect(checkpoint, "full-state", Path("results"), tmp_path / "curves")


def test_a_resumed_run_took_as_long_as_all_its_sessions() -> None:
    assert minutes([0, 60, 120, 6, 66, 0, 30]) == pytest.approx((120 + 66 + 30) / 60)


LENGTH_AND_PLACE = RUN_FIELDS - {"env", "compile", "storage"} | {"buffer_size"}
TRAINED = [one for one in runs(CURVES) if " train " in arms()[one.arm]["command"]]


@pytest.mark.parametrize("committed", TRAINED, ids=lambda one: f"{one.arm}-{one.meta['seed']}")
def test_an_arms_command_gives_the_config_of_its_committed_runs(committed: Run) -> None:
    """A recipe that changes later would make the printed command train something else than what was measured."""
    words = shlex.split(arms()[committed.arm]["command"].replace("--seed N", "--seed 0"))
    base, rest = cli._base_config(words[words.index("train") + 1 :])
    commanded = json.loads(json.dumps(dataclasses.asdict(cli._parse(TrainConfig, rest, "train", base))))
    trained = committed.meta["config"]
    known = set(commanded) & set(trained) - LENGTH_AND_PLACE  # a field that was added since had its default
    assert {name: commanded[name] for name in known} == {name: trained[name] for name in known}
