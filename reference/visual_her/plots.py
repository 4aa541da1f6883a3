"""Learning curves as pictures."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot as plt

from visual_her.diagnosis import read_curve

_PANELS = (
    ("rollout/success_rate", "success rate\n(stochastic, last 100 episodes)"),
    ("train/critic_loss", "critic loss"),
    ("train/actor_loss", "actor loss"),
)


def learning_curve(progress: Path, picture: Path, *, title: str) -> None:
    """Success, critic loss and actor loss over env steps, one above the other.

    Args:
        progress: a run's ``progress.csv``.
        picture: the PNG to write.
        title: above the plot.
    """
    series = read_curve(progress.parent).series
    figure, axes = plt.subplots(len(_PANELS), 1, figsize=(7, 7), sharex=True, layout="constrained")
    for axis, (key, label) in zip(axes, _PANELS, strict=True):
        axis.plot(*series.get(key, ([], [])), marker=".", color="tab:blue")
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_ylim(-0.03, 1.03)
    axes[0].set_title(title, fontsize=10)
    axes[-1].set_xlabel("env steps")
    figure.savefig(picture, dpi=110)
    plt.close(figure)
