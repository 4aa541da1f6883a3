"""What a person watches: the bar with its ETA, ``progress.csv``, TensorBoard."""

from __future__ import annotations

import csv
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import CSVOutputFormat, Logger, TensorBoardOutputFormat
from stable_baselines3.common.utils import safe_mean
from tqdm import tqdm

from visual_her.config import TrainConfig
from visual_her.probe import probe
from visual_her.profiling import Profile
from visual_her.replay import MOVED
from visual_her.sac import PixelSAC


class Progress(BaseCallback):
    """The bar with its ETA, one log row every few episodes, and the share of episodes in which the object moved."""

    ROWS = 500  # of a whole run, at the most

    def __init__(self, config: TrainConfig, first_step: int, slice_steps: int, go_on: Callable[[], bool]) -> None:
        super().__init__()
        self.go_on = go_on
        self.episodes_per_row = config.n_envs * math.ceil(config.total_steps / (self.ROWS * slice_steps))
        self.log_object = config.env != "FetchReach-v4"
        self.moved: deque[bool] = deque(maxlen=100)
        self.start_goals: Any = None
        self.episodes = 0
        self.profile: Profile | None = None
        self.closed = False
        self.session_start = (time.time_ns(), first_step)
        interactive = sys.stderr.isatty()
        self.bar = tqdm(
            total=config.total_steps,
            initial=first_step,
            unit="step",
            dynamic_ncols=interactive,
            mininterval=0.2 if interactive else 10,
        )

    def _on_training_start(self) -> None:
        # SB3 starts its clock anew with every slice; fps and time_elapsed are to be those of the session.
        self.model.start_time, self.model._num_timesteps_at_start = self.session_start
        if self.profile is None:
            self.profile = Profile(self.model, self.training_env)  # type: ignore[arg-type]
        if self.start_goals is None:
            self.start_goals = self.model._last_obs["achieved_goal"].copy()  # type: ignore[index]

    def _on_step(self) -> bool:
        for index in np.flatnonzero(self.locals["dones"]):
            final = self.locals["infos"][index]["terminal_observation"]["achieved_goal"]
            self.moved.append(bool(np.linalg.norm(final - self.start_goals[index]) > MOVED))
            self.start_goals[index] = self.locals["new_obs"]["achieved_goal"][index]
            self.episodes += 1
        self.bar.update(self.model.num_timesteps - self.bar.n)
        return bool(self.go_on())

    def _on_rollout_start(self) -> None:
        if self.episodes >= self.episodes_per_row:
            self._log_row()

    def close(self) -> None:
        """Logs what has not been logged yet, and says where the time went."""
        if self.episodes:
            self._log_row()
        self.bar.close()
        if self.profile and not self.closed:
            print(f"where the time went: {self.profile.whole()}", flush=True)
        self.closed = True

    def _log_row(self) -> None:
        self.episodes = 0
        agent: PixelSAC = self.model  # type: ignore[assignment]
        if self.log_object:
            agent.logger.record("rollout/object_moved_rate", float(np.mean(self.moved)))
        probed = probe(agent)
        if probed is not None:
            agent.logger.record("train/probe_error_cm", 100 * probed.error)
            agent.logger.record("train/feature_spread", probed.spread)
        for phase, share in self.profile.shares().items() if self.profile else ():
            agent.logger.record(f"profile/{phase}", share)
        agent.dump_logs()
        self.bar.set_postfix_str(f"success {safe_mean(agent.ep_success_buffer or [0.0]):.0%}")


def make_logger(run_dir: Path, step: int) -> Logger:
    """TensorBoard and ``progress.csv``; on resume the rows up to the checkpoint's step are kept."""
    run_dir.mkdir(parents=True, exist_ok=True)
    progress = run_dir / "progress.csv"
    rows = []
    if progress.exists():
        with open(progress, newline="") as file:
            rows = [row for row in csv.DictReader(file) if float(row.get("time/total_timesteps") or "inf") <= step]
    partial = run_dir / "progress.csv.partial"
    table = CSVOutputFormat(str(partial))
    for row in rows:
        table.write({key: float(value) for key, value in row.items() if key and value}, {}, 0)
    table.file.flush()
    os.replace(partial, progress)
    return Logger(str(run_dir), [table, TensorBoardOutputFormat(str(run_dir))])
