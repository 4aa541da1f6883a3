"""The demo: an agent learns FetchReach from pixels in minutes, through the code that FetchPush runs through."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from visual_her import checkpoint as checkpoints
from visual_her.evaluation import FIRST_EVALUATION_SEED, evaluate, load_agent, write_result
from visual_her.plots import learning_curve
from visual_her.preflight import check_writable
from visual_her.recipes import recipe
from visual_her.training import train
from visual_her.video import position_estimator, record

EPISODES = 50
WANTED_SUCCESS = 0.9


@dataclass(frozen=True, kw_only=True)
class DemoArguments:
    """Trains an agent from pixels on FetchReach-v4, evaluates it on 50 fresh episodes, and shows it."""

    seed: int = 0
    """Seed of the run."""
    out: str = "demo_run"
    """Folder of everything it writes; a number is appended where it exists."""


def demo(arguments: DemoArguments) -> int:
    """Trains, evaluates, draws; returns 0 if at least 90 % of the episodes succeed, else 1."""
    folder = _fresh(Path(arguments.out))
    check_writable(folder)
    folder.mkdir(parents=True)
    config = dataclasses.replace(
        recipe("demo"),
        seed=arguments.seed,
        log_dir=str(folder / "runs"),
        checkpoints_dir=str(folder / "checkpoints"),
        results_dir=str(folder / "results"),
    )
    print(
        "FetchReach-v4 from pixels, sparse reward, HER: ManipulationCNN, SpatialSoftmax, critic-encoder routing.\n"
        "Blank pixels would solve it too, since the gripper is in the proprioception: this shows machinery, not sight.",
        flush=True,
    )
    trained = train(config)
    result = evaluate(trained.checkpoint, n_episodes=EPISODES)
    evaluation = write_result(result, config.results_dir)
    curve, video = folder / "learning_curve.png", folder / "rollout.gif"
    learning_curve(trained.paths.progress, curve, title=f"FetchReach-v4 from pixels, recipe demo, seed {config.seed}")
    agent, env = load_agent(checkpoints.read(trained.checkpoint))
    first = FIRST_EVALUATION_SEED
    estimate = position_estimator(agent, env, seeds=list(range(first + 4, first + 12)))
    record(agent, env, video, seeds=list(range(first, first + 4)), estimate=estimate)
    env.close()
    metrics = result["metrics"]
    low, high = metrics["success_interval"]
    reached = metrics["success_rate"] >= WANTED_SUCCESS
    print(
        f"\n{'PASS' if reached else 'FAIL'}: {metrics['n_successes']} of {EPISODES} fresh episodes succeed "
        f"({metrics['success_rate']:.0%}, 95 % interval {low:.0%} to {high:.0%}; wanted {WANTED_SUCCESS:.0%}), "
        f"after {trained.step:,} env steps in {trained.seconds / 60:.1f} min of training\n"
        f"  on {json.dumps(result['hardware'])}"
    )
    for what, path in (
        ("run folder", folder),
        ("learning curve", curve),
        ("video", video),
        ("checkpoint", trained.checkpoint),
        ("evaluation", evaluation),
    ):
        print(f"  {what:<15} {path}")
    return 0 if reached else 1


def _fresh(folder: Path) -> Path:
    """``folder``, or with the first free number: an earlier demo stays."""
    candidate, number = folder, 2
    while candidate.exists():
        candidate, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return candidate
