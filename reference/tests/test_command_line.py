"""The command line: what its flags mean, and that bad input ends in one line, exit code 2 and nothing changed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from stable_baselines3 import SAC
from visual_her import preflight
from visual_her.agent import build_agent
from visual_her.cli import COMMANDS, run
from visual_her.config import CHAPTER, TrainConfig
from visual_her.errors import UsageError
from visual_her.recipes import recipe
from visual_her.training import TrainResult
from visual_her.vec_env import make_env

TINY_RUN = (
    "train --env FetchReach-v4 --full-state --n-envs 2 --buffer-size 200 --batch-size 8 --net-arch 8 8 "
    "--learning-starts 100 --learning-rate 3e-4 --total-steps 200 --checkpoint-freq 100"
)
TAG = "ch09_manip_fullState_envs2_net8-8_buf200_k4_lr0.0003_batch8_starts100"
STEM = f"{TAG}_FetchReach-v4_seed0"


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[[str], Ended]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in this process; also what C libraries and worker processes print is captured."""

    def run_it(line: str) -> Ended:
        capfd.readouterr()
        try:
            code = run(shlex.split(line))
        except SystemExit as stop:  # tyro's --help
            code = int(stop.code or 0)
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    return run_it


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of 200 steps: checkpoints at 100 and 200, and the final one."""
    folder = tmp_path_factory.mktemp("finished")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        assert run(shlex.split(TINY_RUN)) == 0
    found = sorted(path.stem for path in (folder / "checkpoints").glob("*.zip"))
    assert found == [STEM, f"{STEM}_100_steps", f"{STEM}_200_steps"]
    return folder


@pytest.fixture
def workplace(finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: the finished run, and beside it files that are no checkpoints of ours."""
    monkeypatch.chdir(finished_run)
    final = (finished_run / "checkpoints" / f"{STEM}.zip").read_bytes()
    (tmp_path / "truncated.zip").write_bytes(final[: len(final) * 2 // 3])
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "text.zip").write_text("hello")
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "foreign_eval.json").write_text(json.dumps({"accuracy": 0.9}))
    (tmp_path / "half_eval.json").write_text(json.dumps({"metrics": {"success_interval": [0, None]}}))
    (tmp_path / "broken_module.py").write_text("def :")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "nothing").mkdir()
    write_other_architecture(finished_run / "checkpoints" / f"{STEM}.zip", tmp_path / "architecture.zip")
    return tmp_path


def write_other_architecture(source: Path, path: Path) -> None:
    """The checkpoint at ``source`` with a config whose networks are larger than its weights."""

    def larger(state: dict[str, Any], weights: dict[str, Any]) -> None:
        state["config"]["net_arch"] = [16, 16]

    edit(source, path, larger)


def edit(source: Path, path: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    """Writes the checkpoint at ``source`` to ``path``, with ``change`` made to its state and weights."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        state = json.loads(old.read("checkpoint.json"))
        weights = torch.load(io.BytesIO(old.read("weights.pt")), weights_only=True)
        change(state, weights)
        tensors = io.BytesIO()
        torch.save(weights, tensors)
        new.writestr("checkpoint.json", json.dumps(state))
        new.writestr("weights.pt", tensors.getvalue())


def digests(*folders: Path) -> dict[Path, str]:
    """File -> digest of what it holds, folder -> nothing."""
    paths = (path for folder in folders for path in folder.rglob("*"))
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "" for path in paths}


def assert_one_line(ended: Ended, *words: str) -> None:
    """Exit code 2 and one line on standard error that names what is wrong."""
    assert ended.code == 2, f"exit code {ended.code}, not 2: {ended.err}"
    assert "Traceback" not in ended.err
    assert ended.err.count("\n") == 1, f"more than one line: {ended.err}"
    assert ended.err.startswith("visual-her: "), ended.err
    assert "---" not in ended.err, f"the rules of tyro's panel are left in: {ended.err}"
    assert not set("│─╭╰") & set(ended.err), f"the box of tyro's panel is left in: {ended.err}"
    for word in words:
        assert word in ended.err, f"{word!r} is not in: {ended.err}"


# ------------------------------------------------------------------------- what the flags mean


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch, command: Command) -> Callable[[str], TrainConfig]:
    """The config that a command line of ``train`` trains with."""
    trained: list[TrainConfig] = []

    def record(config: TrainConfig) -> TrainResult:
        trained.append(config)
        return TrainResult(Path("a.zip"), config.total_steps, True, 1.0, None, None)  # type: ignore[arg-type]

    monkeypatch.setattr("visual_her.training.train", record)

    def parse(line: str) -> TrainConfig:
        ended = command(line)
        assert ended.code == 0, ended.err
        return trained.pop()

    return parse


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train", TrainConfig()),
        ("train --seed 0 --total-steps 2000000", recipe("step1")),
        ("train --seed 0 --encoder nature --total-steps 2000000", recipe("step0")),
        (
            "train --seed 0 --critic-encoder --no-drq --buffer-size 500000 --her-n-sampled-goal 8 "
            "--total-steps 5000000 --checkpoint-freq 500000",
            CHAPTER,
        ),
        (
            "train --seed 0 --critic-encoder --buffer-size 500000 --her-n-sampled-goal 8 --total-steps 2000000",
            recipe("step4"),
        ),
        ("train --seed 0 --full-state --total-steps 2000000", recipe("full-state")),
        ("train --full-state --n-envs 2", dataclasses.replace(recipe("full-state"), n_envs=2)),
        ("train --full_state", recipe("full-state")),
        ("train --recipe step4 --seed 3", dataclasses.replace(recipe("step4"), seed=3)),
        ("train --recipe=chapter --no-spatial-softmax", dataclasses.replace(CHAPTER, spatial_softmax=False)),
        ("train --net-arch 64 32 --time-budget 1.5", TrainConfig(net_arch=(64, 32), time_budget=1.5)),
    ],
)
def test_a_command_line_means(line: str, expected: TrainConfig, parsed: Callable[[str], TrainConfig]) -> None:
    assert parsed(line) == expected


def test_absent_flags_on_resume_are_the_checkpoints(workplace: Path, parsed: Callable[[str], TrainConfig]) -> None:
    path = f"checkpoints/{STEM}.zip"
    config = parsed(f"train --resume {path} --total-steps 400")
    assert (config.n_envs, config.net_arch, config.env) == (2, (8, 8), "FetchReach-v4")
    assert (config.resume, config.total_steps) == (path, 400)


def test_a_time_budget_is_of_its_session_and_not_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(f"{TINY_RUN} --time-budget 0.0001").code == 0
    (first,) = Path("checkpoints").glob("*.zip")
    ended = command(f"train --resume {first}")
    assert "done: 200 env steps" in ended.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_exits_with_0(name: str, command: Command) -> None:
    ended = command(f"{name} --help")
    assert ended.code == 0
    assert ended.out.startswith("usage: visual-her")


def test_help_of_train_shows_every_flag(command: Command) -> None:
    shown = command("train --help").out
    names = [field.name.replace("_", "-") for field in dataclasses.fields(TrainConfig)]
    assert [name for name in (*names, "recipe") if f"--{name}" not in shown] == []


@pytest.mark.parametrize("line", ["", "--help", "-h"])
def test_the_overview_lists_every_command(line: str, command: Command) -> None:
    ended = command(line)
    assert ended.code == 0
    assert all(f"\n  {name} " in ended.out for name in COMMANDS)


def test_help_does_not_wait_for_torch() -> None:
    program = (
        "import contextlib, sys; from visual_her.cli import run; run(['--help'])\n"
        "with contextlib.suppress(SystemExit): run(['train', '--help'])\n"
        "assert not {'torch', 'gymnasium', 'mujoco', 'stable_baselines3'} & set(sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"--help imports {ended.stderr}"


def test_version_is_printed(command: Command) -> None:
    ended = command("--version")
    assert (ended.code, ended.out.split()[0]) == (0, "visual-her")


def test_recipes_are_listed_with_their_tags(command: Command) -> None:
    assert "ch09_manip_noDrQ_criticEnc" in command("recipes").out
    assert "True" in command("recipes step4").out


# ------------------------------------------------------------------------------------- errors

FINAL = f"checkpoints/{STEM}.zip"

ERRORS = {
    "unknown command": ("trian", ["'trian'", "train"]),
    "unknown flag": ("train --critic-encodr", ["--critic-encodr"]),
    "value without a flag": ("train 5000", ["5000"]),
    "flag without its value": ("train --seed", ["--seed"]),
    "recipe without its value": ("train --recipe", ["--recipe"]),
    "not a number": ("train --total-steps 5e6", ["--total-steps", "5e6"]),
    "not a choice": ("train --goal-mode all", ["--goal-mode", "desired"]),
    "out of range": ("train --gamma 1.5", ["--gamma 1.5"]),
    "unknown recipe": ("train --recipe chapter9", ["'chapter9'", "step4"]),
    "unknown env": ("train --env FetchPush-v3", ["'FetchPush-v3'", "did you mean FetchPush-v4"]),
    "env without a name": ("train --env :", ["':'", "module and name"]),
    "env without goals": ("train --env gymnasium:Pendulum-v1", ["'gymnasium:Pendulum-v1'", "goal-conditioned"]),
    "env with other goals": ("train --env gymnasium_robotics:HandReach-v3", ["(15,)", "3-D goals"]),
    "env that cannot be imported": ("train --env broken_module:Task-v0", ["SyntaxError", "check module and name"]),
    "picture larger than GL draws": (
        "train --env FetchReach-v4 --n-envs 1 --buffer-size 200 --render-size 40000",
        ["40000x40000", "--render-size"],
    ),
    "more channels than rows": (
        "train --image-size 42 --frame-stack 16 --buffer-size 200",
        ["--frame-stack 16", "--image-size 42"],
    ),
    "layer out of range": ("train --net-arch 1000000000", ["--net-arch (1000000000,)"]),
    "device that stores nothing": ("train --full-state --device meta", ["--device meta", "cpu"]),
    "unknown device": ("train --full-state --device tpu9", ["--device tpu9", "cpu"]),
    "contradictory routing": ("train --critic-encoder --share-encoder", ["--critic-encoder", "--share-encoder"]),
    "contradictory state": ("train --full-state --critic-encoder", ["--full-state", "--critic-encoder"]),
    "second run": (TINY_RUN, [FINAL, "--resume", "--seed"]),
    "resume: missing": ("train --resume nowhere.zip", ["nowhere.zip"]),
    "resume: a folder": ("train --resume checkpoints", ["checkpoints"]),
    "resume: truncated": ("train --resume {tmp}/truncated.zip", ["truncated.zip"]),
    "resume: empty": ("train --resume {tmp}/empty.zip", ["empty.zip"]),
    "resume: no zip": ("train --resume {tmp}/text.zip", ["text.zip"]),
    "resume: at the target": (f"train --resume {FINAL} --total-steps 200", ["--total-steps 200", "at 200"]),
    "resume: below": (f"train --resume {FINAL} --total-steps 150", ["--total-steps 150", "at 200"]),
    "resume: stored total": (f"train --resume {FINAL}", ["--total-steps 200"]),
    "resume: not the newest": (
        f"train --resume checkpoints/{STEM}_100_steps.zip --total-steps 400",
        ["_100_steps.zip", f"{STEM}.zip"],
    ),
    "resume: other flags": (f"train --resume {FINAL} --total-steps 400 --net-arch 16 16", ["net16-16", "net8-8"]),
    "resume: other seed": (f"train --resume {FINAL} --total-steps 400 --seed 1", ["seed 1", "seed 0"]),
    "resume: other architecture": (
        "train --resume {tmp}/architecture.zip --total-steps 400 --no-checkpoint-buffer",
        ["architecture.zip", "architecture"],
    ),
    "log folder": (f"{TINY_RUN} --seed 1 --log-dir {{tmp}}/file", ["{tmp}/file", "choose another folder"]),
    "log folder below": (f"{TINY_RUN} --seed 1 --log-dir {{tmp}}/file/runs", ["{tmp}/file/runs"]),
    "checkpoint folder": (f"{TINY_RUN} --seed 1 --checkpoints-dir {{tmp}}/file", ["{tmp}/file", "folder"]),
    "evaluate: no checkpoint": ("evaluate", ["--ckpt"]),
    "evaluate: missing": ("evaluate --ckpt nowhere.zip", ["nowhere.zip"]),
    "evaluate: truncated": ("evaluate --ckpt {tmp}/truncated.zip", ["truncated.zip"]),
    "evaluate: other architecture": ("evaluate --ckpt {tmp}/architecture.zip", ["architecture.zip", "architecture"]),
    "evaluate: contradiction": (f"eval --ckpt {FINAL} --critic-encoder", ["--critic-encoder", FINAL]),
    "evaluate: contradicting env": (f"eval --ckpt {FINAL} --env FetchPush-v4", ["--env FetchPush-v4", FINAL]),
    "evaluate: unknown flag": (f"evaluate --ckpt {FINAL} --episodes 5", ["--episodes"]),
    "evaluate: no episode": (f"evaluate --ckpt {FINAL} --n-eval-episodes 0", ["--n-eval-episodes 0"]),
    "evaluate: negative seed": (f"evaluate --ckpt {FINAL} --eval-seed -1", ["--eval-seed -1"]),
    "evaluate: unknown device": (f"evaluate --ckpt {FINAL} --device tpu9", ["--device tpu9"]),
    "compare: no folder": ("compare nowhere", ["there is no nowhere"]),
    "compare: half of one": ("compare {tmp}/half_eval.json", ["half_eval.json"]),
    "compare: no evaluation": ("compare {tmp}/nothing", ["nothing", "visual-her evaluate"]),
    "compare: foreign": ("compare {tmp}/foreign_eval.json", ["foreign_eval.json"]),
    "verify: nothing": ("verify", ["wrapper|encoder|policy"]),
    "verify: unknown": ("verify physics", ["wrapper|encoder|policy"]),
    "conform: unknown area": ("conform --area XYZ", ["--area", "XYZ"]),
    "conform: unwritable report": ("conform --report /proc/report", ["/proc/report"]),
    "recipes: unknown": ("recipes chaptre", ["'chaptre'"]),
}


@pytest.mark.parametrize("case", ERRORS)
def test_bad_input_is_one_line_and_changes_nothing(
    case: str, workplace: Path, finished_run: Path, command: Command
) -> None:
    line, words = ERRORS[case]
    before = digests(finished_run, workplace)
    ended = command(line.replace("{tmp}", str(workplace)))
    assert_one_line(ended, *(word.replace("{tmp}", str(workplace)) for word in words))
    assert digests(finished_run, workplace) == before, "a refused command changed files"


EDITS: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "no count of updates": lambda state, weights: state.pop("updates"),
    "a step below 0": lambda state, weights: state.update(step=-5),
    "no random state of torch": lambda state, weights: weights.pop("torch_rng"),
    "no random state of the buffer": lambda state, weights: state.update(buffer_rng=None),
    "weights that are none": lambda state, weights: weights.update(policy=3),
    "an unknown encoder": lambda state, weights: state["config"].update(encoder="vit"),
    "a learning rate of null": lambda state, weights: state["config"].update(learning_rate=None),
    "a seed in words": lambda state, weights: state["config"].update(seed="x"),
    "no environment": lambda state, weights: state["config"].update(n_envs=0),
    "layers that are no list": lambda state, weights: state["config"].update(net_arch=3),
}


@pytest.mark.parametrize("line", ["train --total-steps 400 --no-checkpoint-buffer --resume", "evaluate --ckpt"])
@pytest.mark.parametrize("what", EDITS)
def test_a_checkpoint_that_does_not_fit_together_is_refused(
    what: str, line: str, workplace: Path, finished_run: Path, command: Command
) -> None:
    edit(finished_run / FINAL, workplace / "edited.zip", EDITS[what])
    before = digests(finished_run)
    assert_one_line(command(f"{line} {workplace}/edited.zip"))
    assert digests(finished_run) == before


def test_a_damaged_checkpoint_of_the_same_run_is_named(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    shutil.copytree(finished_run, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / FINAL).write_bytes(b"PK")
    line = f"train --resume checkpoints/{STEM}_100_steps.zip --total-steps 400"
    assert_one_line(command(line), f"{STEM}.zip, of the same run, cannot be read: move it away")


def test_a_second_process_does_not_train_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    endless = TINY_RUN.replace("--total-steps 200", "--total-steps 1000000")
    first = subprocess.Popen([sys.executable, "-m", "visual_her", *shlex.split(endless)], stderr=subprocess.DEVNULL)
    try:
        progress = tmp_path / "runs" / TAG / "FetchReach-v4" / "seed0" / "progress.csv"
        while not progress.exists():
            assert first.poll() is None
            time.sleep(0.05)
        assert_one_line(command(TINY_RUN), "another process is training", "--seed")
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
    # What a killed run leaves is refused for another reason, which is true then.
    assert "another process" not in command(TINY_RUN).err


@pytest.mark.parametrize("line", ["train --total-steps 400 --resume", "evaluate --ckpt"])
def test_a_checkpoint_of_stable_baselines_is_named_foreign(line: str, tmp_path: Path, command: Command) -> None:
    SAC("MlpPolicy", gym.make("Pendulum-v1"), buffer_size=10).save(tmp_path / "sb3.zip")
    before = digests(tmp_path)
    assert_one_line(command(f"{line} {tmp_path}/sb3.zip"), "sb3.zip is no checkpoint of visual-her")
    assert digests(tmp_path) == before


def test_a_run_that_died_before_its_first_checkpoint_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    progress = tmp_path / "runs" / TAG / "FetchReach-v4" / "seed0" / "progress.csv"
    progress.parent.mkdir(parents=True)
    progress.write_text("time/total_timesteps\n40\n")
    before = digests(tmp_path)
    assert_one_line(command(TINY_RUN), "progress.csv exists", "--seed")
    assert digests(tmp_path) == before


def test_a_missing_replay_buffer_is_refused_with_the_way_out(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / FINAL).write_bytes((finished_run / FINAL).read_bytes())
    before = digests(tmp_path)
    line = f"train --resume {FINAL} --total-steps 400"
    assert_one_line(command(line), f"{STEM}.replay.npz is missing", "--no-checkpoint-buffer")
    (tmp_path / FINAL).with_suffix(".replay.npz").write_bytes(b"PK")
    assert_one_line(command(line), f"{STEM}.replay.npz cannot be read", "--no-checkpoint-buffer")
    (tmp_path / FINAL).with_suffix(".replay.npz").unlink()
    assert digests(tmp_path) == before


def test_a_folder_for_results_is_checked_before_the_first_episode(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    played: list[int] = []
    monkeypatch.setattr("visual_her.evaluation.run_episode", lambda *args, **options: played.append(1))
    ended = command(f"evaluate --ckpt {FINAL} --n-eval-episodes 2 --results-dir {workplace}/file")
    assert not played, "an evaluation that cannot be written was played all the same"
    assert_one_line(ended, f"{workplace}/file", "folder")


# ------------------------------------------------------------------------- memory and graphics

GIGABYTE = 10**9


def test_a_buffer_too_large_is_refused_with_the_memory_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preflight, "available_memory", lambda: 8 * GIGABYTE)
    ended = command("train --device cpu --n-envs 1 --buffer-size 500000")
    *table, line = ended.err.splitlines()
    assert_one_line(dataclasses.replace(ended, err=line + "\n"), "500,000 transitions", "10.9 GB", "--buffer-size 3")
    sizes = [row.split()[0] for row in table[1:]]
    assert sizes == ["500,000", "300,000", "200,000", "100,000", "50,000"]
    assert "84.7 GB" in table[1], f"SB3's memory of the chapter's buffer: {table[1]}"
    assert "10.9 GB" in table[1], f"ours: {table[1]}"
    assert digests(tmp_path) == {}


@pytest.mark.parametrize("n_envs", [1, 2, 3, 4, 7, 8])
def test_the_largest_buffer_that_is_named_fits_and_the_next_does_not(
    n_envs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = make_env(TrainConfig()).observation_space
    assert isinstance(space, gym.spaces.Dict)
    config = TrainConfig(n_envs=n_envs, buffer_size=10**7, device="cpu")

    def needed(size: int) -> int:
        return preflight.check_memory(dataclasses.replace(config, buffer_size=size), space, 4, 50)

    with monkeypatch.context() as patch:
        patch.setattr(preflight, "available_memory", lambda: 10**15)
        one_byte_less = needed(1_000 * 50 * n_envs) - 1
    reserve = preflight.TRAINER_BYTES + n_envs * preflight.WORKER_BYTES
    monkeypatch.setattr(preflight, "available_memory", lambda: one_byte_less + reserve)
    with pytest.raises(UsageError) as refused:
        needed(config.buffer_size)
    largest = int(str(refused.value).partition("--buffer-size ")[2].split()[0])
    assert needed(largest) <= one_byte_less
    with pytest.raises(UsageError):
        needed(largest + 50 * n_envs)


def test_a_buffer_takes_the_bytes_that_were_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    from stable_baselines3.common.vec_env import DummyVecEnv

    config = TrainConfig(buffer_size=200, n_envs=2, image_size=16, num_filters=4, device="cpu")
    env = DummyVecEnv([lambda: make_env(config)] * 2)
    monkeypatch.setattr(preflight, "available_memory", lambda: 10**15)
    checked = preflight.check_memory(config, env.observation_space, 4, 50)  # type: ignore[arg-type]
    buffer = build_agent(config, env, lambda achieved, desired, info: 0).replay_buffer
    assert buffer.nbytes == checked  # type: ignore[union-attr]


WITHOUT_GL = {
    "neither EGL nor OSMesa": ("sys.modules['mujoco.egl'] = sys.modules['mujoco.osmesa'] = None", {}),
    "a backend that does not exist": ("", {"MUJOCO_GL": "vulkan"}),
}


def test_a_verification_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "visual_her", "verify", "policy"], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert digests(tmp_path) == {}


def test_a_verification_without_gl_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "visual_her", "verify", "wrapper"],
        cwd=tmp_path,
        env=os.environ | {"MUJOCO_GL": "vulkan"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert_one_line(Ended(done.returncode, done.stdout, done.stderr), "MUJOCO_GL")


@pytest.mark.parametrize("case", WITHOUT_GL)
def test_missing_gl_is_one_line_that_says_what_to_install(case: str, tmp_path: Path) -> None:
    preparation, variables = WITHOUT_GL[case]  # where GL is there all the same, the log folder ends the command
    program = f"import sys; {preparation}\nfrom visual_her.cli import run; sys.exit(run(sys.argv[1:]))"
    inherited = {name: value for name, value in os.environ.items() if name not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-c", program, "train", "--log-dir", os.devnull],
        cwd=tmp_path,
        env=inherited | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert_one_line(Ended(done.returncode, done.stdout, done.stderr), *(variables or ("libegl1", "libosmesa6")))
    assert digests(tmp_path) == {}
