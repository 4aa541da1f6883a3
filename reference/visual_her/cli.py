"""The command line: ``visual-her train | evaluate | compare | diagnose | render | verify | conform | recipes | demo``.

Commands import what they need when they run, so that ``--help`` answers at once. An error that a user can act on is
one sentence on standard error and exit code 2.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from visual_her.config import CHAPTER, TrainConfig, differences, tag
from visual_her.errors import UsageError
from visual_her.recipes import RECIPES, recipe

T = TypeVar("T")


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; returns the exit code: 0, or 2 for bad input, or what ``verify`` found."""
    try:
        if not arguments or arguments[0] in ("-h", "--help"):
            print(_overview())
            return 0
        if arguments[0] == "--version":
            from visual_her import __version__

            print(f"visual-her {__version__}")
            return 0
        name, *rest = arguments
        if name not in COMMANDS:
            raise UsageError(f"there is no command {name!r}: choose one of {', '.join(COMMANDS)}.")
        os.environ.setdefault("MPLBACKEND", "agg")
        return COMMANDS[name][0](rest)
    except UsageError as error:
        if error.details:
            print(error.details, file=sys.stderr)
        print(f"visual-her: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("visual-her: interrupted.", file=sys.stderr)
        return 130


# ------------------------------------------------------------------- commands


def _train(arguments: list[str]) -> int:
    if _wants_help(arguments):
        _parse(TrainConfig, arguments, "train", default=_base_config(arguments)[0])
    base, rest = _base_config(arguments)
    config = _parse(TrainConfig, rest, "train", default=base)
    from visual_her.training import train

    result = train(config)
    if result.finished:
        print(f"done: {result.step:,} env steps in {result.seconds / 60:.1f} min, checkpoint {result.checkpoint}")
    else:
        print(
            f"stopped at {result.step:,} of {config.total_steps:,} env steps; go on with --resume {result.checkpoint}"
        )
    return 0


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments:
    """Evaluates a checkpoint deterministically. The checkpoint knows its config; flags of train must agree with it."""

    ckpt: str
    """The checkpoint."""
    n_eval_episodes: int = 100
    """Episodes to play; a 95 % claim takes 400."""
    eval_seed: int = 1_000_000
    """Seed of the first reset."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    results_dir: str = "results"
    """Folder of the JSON; an earlier evaluation is never overwritten."""


def _evaluate(arguments: list[str]) -> int:
    options, rest = _parse_known(EvaluateArguments, arguments, "evaluate")
    from visual_her.checkpoint import read
    from visual_her.comparison import print_table
    from visual_her.evaluation import evaluate, write_result
    from visual_her.preflight import check_writable

    stored = read(options.ckpt).config
    _refuse_contradictions(stored, _parse(TrainConfig, rest, "evaluate", default=stored), options.ckpt)
    check_writable(options.results_dir)  # before an hour of episodes, not after
    result = evaluate(options.ckpt, n_episodes=options.n_eval_episodes, seed=options.eval_seed, device=options.device)
    path = write_result(result, options.results_dir)
    print_table([(path, result)])
    print(f"written: {path}")
    return 0


@dataclass(frozen=True, kw_only=True)
class CompareArguments:
    """Prints the table of evaluations, or of learning curves: when each recipe took off, and a plot over its seeds."""

    paths: Annotated[tuple[Path, ...], tyro.conf.Positional] = (Path("results"),)
    """Evaluation files or folders of them, or folders of runs' logs."""
    plot: Path = Path("curves.png")
    """Where the plot of learning curves goes."""


def _compare(arguments: list[str]) -> int:
    options = _parse(CompareArguments, arguments, "compare")
    paths = list(options.paths)
    if any(True for path in paths if path.is_dir() for _ in path.rglob("progress.csv")):
        from visual_her.learning_curves import find_runs, plot, print_marks
        from visual_her.preflight import check_writable

        arms = find_runs(paths)
        check_writable(options.plot.parent)
        plot(arms, options.plot)
        print_marks(arms)
        print(f"written: {options.plot}")
        return 0
    from visual_her.comparison import print_table, read_results

    print_table(read_results(paths))
    return 0


def _verify(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in VERIFICATIONS:
        if _wants_help(arguments):
            print("usage: visual-her verify wrapper|encoder|policy\n\nPrints one PASS or FAIL line a check.")
            return 0
        raise UsageError(f"verify what? Say visual-her verify {'|'.join(VERIFICATIONS)}.")
    from visual_her.preflight import check_renderer
    from visual_her.verification import verify

    if arguments[0] == "wrapper":
        check_renderer()
    return verify(*VERIFICATIONS[arguments[0]])


Area = Literal["OBS", "ENC", "GRD", "AUG", "HER", "RPL", "SAV", "TRN", "LRN", "BEL"]


@dataclass(frozen=True, kw_only=True)
class ConformArguments:
    """Holds an implementation to the specification: exit 0 conformant, 1 not, 10 adapter wrong, 11 incomplete."""

    impl: str = "visual_her.conformance:IMPLEMENTATION"
    """package.module:OBJECT, or a name of the entry-point group visual_her.implementations."""
    profile: Literal["core", "chapter"] = "chapter"
    """core binds any correct visual HER; chapter adds the chapter's choices."""
    area: tyro.conf.UseAppendAction[tuple[Area, ...]] = ()
    """Only this area, such as GRD; repeatable."""
    learning: bool = False
    """Run the learning test, too: about a minute more."""
    smoke: bool = False
    """Check the adapter only."""
    report: Path | None = None
    """Folder for report.jsonl, report.md and junit.xml."""
    known_failures: Path | None = None
    """TOML with [[known]] tables of id and reason; strict both ways."""


def _conform(arguments: list[str]) -> int:
    options = _parse(ConformArguments, arguments, "conform")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: threads that wait for each other only cost
    sys.path.insert(0, os.getcwd())  # an adapter beside you is found, as with python -m
    try:
        from visual_her_spec.conformance import check_adapter_only, check_implementation
    except ImportError as error:
        raise UsageError(f"conform needs {error.name}: pip install 'visual-her[spec]'.") from error
    if options.smoke:
        report = check_adapter_only(options.impl)
        print(report.headline())
        return report.exit_code
    if options.report is not None:
        from visual_her.preflight import check_writable

        check_writable(options.report)
    report = check_implementation(
        options.impl,
        profile=options.profile,
        areas=options.area,
        learning=options.learning,
        report_dir=options.report,
        known_failures=options.known_failures,
    )
    print(report.terminal())
    return report.exit_code


@dataclass(frozen=True, kw_only=True)
class RenderArguments:
    """Makes a video of deterministic episodes: the scene, and what the agent sees with its keypoints on it."""

    ckpt: str
    """The checkpoint."""
    out: Path = Path("rollout.gif")
    """The GIF to write; nothing is overwritten."""
    episodes: int = 4
    """Episodes to play."""
    probe_episodes: int = 10
    """Episodes that the linear probe from the features to the object is fitted on, where there is no belief."""
    eval_seed: int = 1_000_000
    """Seed of the first reset."""
    device: str = "auto"
    """cpu, cuda, or auto."""


def _render(arguments: list[str]) -> int:
    options = _parse(RenderArguments, arguments, "render")
    if min(options.episodes, options.probe_episodes) < 1:
        raise UsageError("--episodes and --probe-episodes need at least 1.")
    if options.out.exists() or options.out.suffix != ".gif":
        raise UsageError(f"--out {options.out} exists or does not end in .gif: choose another name.")
    from visual_her.checkpoint import read
    from visual_her.evaluation import load_agent
    from visual_her.preflight import check_device, check_renderer, check_writable
    from visual_her.video import position_estimator, record

    stored = read(options.ckpt)
    check_device(options.device)
    check_renderer(stored.config)
    check_writable(options.out.parent)
    agent, env = load_agent(stored, device=options.device)
    filmed = options.eval_seed + options.episodes
    try:
        estimate = position_estimator(agent, env, seeds=list(range(filmed, filmed + options.probe_episodes)))
        record(agent, env, options.out, seeds=list(range(options.eval_seed, filmed)), estimate=estimate)
    finally:
        env.close()
    print(
        "yellow dots: keypoints; green circle: true position of the object; magenta cross: what the features show of it"
        + ("; magenta circle: their own sigma; cyan cross: the belief" if stored.config.belief else "")
    )
    print(f"written: {options.out}")
    return 0


@dataclass(frozen=True, kw_only=True)
class DiagnoseArguments:
    """Names the phase of a run (failure, hockey-stick, convergence) and what to look at; the run may go on."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder with progress.csv, as the run's opening line names it, or with TensorBoard events of SB3."""


def _diagnose(arguments: list[str]) -> int:
    options = _parse(DiagnoseArguments, arguments, "diagnose")
    from visual_her.diagnosis import diagnose, read_curve

    found = diagnose(read_curve(options.run))
    print(f"{found.phase}: {found.because}")
    for sentence in found.findings:
        print(f"- {sentence}")
    return 0


def _recipes(arguments: list[str]) -> int:
    if _wants_help(arguments):
        print("usage: visual-her recipes [NAME]\n\nLists the recipes, or how one differs from the chapter's.")
        return 0
    if len(arguments) > 1:
        raise UsageError("visual-her recipes takes at most one name.")
    from rich.console import Console
    from rich.table import Table

    if not arguments:
        table = Table("recipe", "what", "tag", box=None, pad_edge=False)
        for name, (what, config) in RECIPES.items():
            table.add_row(name, what, tag(config))
    else:
        table = Table("field", "chapter", arguments[0], box=None, pad_edge=False)
        for field, (chapter, own) in differences(recipe(arguments[0]), CHAPTER).items():
            table.add_row(field, str(chapter), str(own))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


def _demo(arguments: list[str]) -> int:
    from visual_her.demo import DemoArguments, demo

    return demo(_parse(DemoArguments, arguments, "demo"))


COMMANDS: dict[str, tuple[Callable[[list[str]], int], str]] = {
    "train": (_train, "train an agent, or go on with one"),
    "evaluate": (_evaluate, "success rate of a checkpoint, with its interval"),
    "eval": (_evaluate, "the same, under the chapter's name"),
    "compare": (_compare, "the table of evaluations, or of learning curves with a plot"),
    "diagnose": (_diagnose, "the phase of a run from its curve, and what to look at"),
    "render": (_render, "a video of a checkpoint at work, with its keypoints"),
    "verify": (_verify, "the chapter's three verifications: wrapper, encoder, policy"),
    "conform": (_conform, "hold any implementation to the specification"),
    "recipes": (_recipes, "the named recipes, and how they differ from the chapter's"),
    "demo": (_demo, "watch an agent learn FetchReach from pixels, in minutes"),
}

VERIFICATIONS = {
    "wrapper": ("OBS", "Pixel wrapper verified"),
    "encoder": ("ENC", "Manipulation encoder verified"),
    "policy": ("GRD", "Critic-encoder routing verified"),
}

# -------------------------------------------------------------------- parsing


def _overview() -> str:
    lines = ["usage: visual-her COMMAND [FLAGS]", "", "Visual HER on the Fetch tasks, and its specification.", ""]
    lines += [f"  {name:<10} {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join([*lines, "", "visual-her COMMAND --help shows a command's flags."])


def _wants_help(arguments: Sequence[str]) -> bool:
    return "-h" in arguments or "--help" in arguments


def _base_config(arguments: list[str]) -> tuple[TrainConfig, list[str]]:
    """What absent flags stand for: the checkpoint's config on resume, else a recipe, else the chapter's defaults."""
    rest, name = _take(arguments, "--recipe")
    _, checkpoint = _take(arguments, "--resume")
    if name is None and checkpoint is not None and not _wants_help(arguments):
        from visual_her.checkpoint import read

        return dataclasses.replace(read(checkpoint).config, time_budget=None), rest  # that was of its session
    if name is None and "--full-state" in [argument.replace("_", "-") for argument in arguments]:
        name = "full-state"
    return (recipe(name) if name else TrainConfig()), rest


def _take(arguments: list[str], flag: str) -> tuple[list[str], str | None]:
    """Removes ``flag VALUE`` or ``flag=VALUE``."""
    for index, argument in enumerate(arguments):
        if argument == flag:
            if index + 1 == len(arguments):
                raise UsageError(f"{flag} needs a value.")
            return arguments[:index] + arguments[index + 2 :], arguments[index + 1]
        if argument.startswith(flag + "="):
            return arguments[:index] + arguments[index + 1 :], argument.partition("=")[2]
    return arguments, None


def _parse(kind: type[T], arguments: Sequence[str], command: str, default: Any = None) -> T:
    return _tyro(kind, arguments, command, {} if default is None else {"default": default})  # type: ignore[no-any-return]


def _parse_known(kind: type[T], arguments: Sequence[str], command: str) -> tuple[T, list[str]]:
    return _tyro(kind, arguments, command, {"return_unknown_args": True})  # type: ignore[no-any-return]


def _tyro(kind: type[T], arguments: Sequence[str], command: str, options: dict[str, Any]) -> Any:
    """tyro, with its error panel folded into one sentence."""
    if _wants_help(arguments):
        return tyro.cli(kind, args=arguments, prog=f"visual-her {command}", **options)  # prints and exits with 0
    panel = io.StringIO()
    try:
        with contextlib.redirect_stderr(panel), contextlib.redirect_stdout(panel):
            return tyro.cli(kind, args=arguments, prog=f"visual-her {command}", **options)
    except SystemExit as error:
        # The panel has a title, a rule, what is wrong, another rule and a help text.
        text = re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯┌┐└┘┃|]", " ", panel.getvalue())
        parts = [" ".join(part.split()) for part in re.split(r"[─━]{5,}|-{5,}", text)]
        sentence = next((part for part in parts[1:] if part), " ".join(parts)).rstrip(".")
        raise UsageError(f"{sentence}: see visual-her {command} --help.") from error


def _refuse_contradictions(stored: TrainConfig, given: TrainConfig, path: str) -> None:
    from visual_her.config import RUN_FIELDS

    for name, (theirs, ours) in differences(given, stored).items():
        if name not in RUN_FIELDS or name in ("env", "seed"):
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{flag} {ours} contradicts {path}, which has {theirs}: leave the flag out.")
