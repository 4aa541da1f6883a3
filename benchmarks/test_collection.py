"""Env steps a second of FetchPush-v4, 4 environments, 84x84 pixels; a round is an episode of each, reset included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from stable_baselines3.common.vec_env import VecEnv

from benchmarks.chapter_baseline import chapter_vec_env
from benchmarks.collection import EPISODE, bare_rate, bare_vec_env, collect, our_vec_env
from benchmarks.conftest import InTurn, Rounds
from benchmarks.table import Row, verdict

ENVS = 4
STEPS = ENVS * EPISODE  # of a round


@pytest.fixture(scope="module")
def peer() -> Iterator[VecEnv]:
    env = chapter_vec_env(ENVS)
    env.reset()
    yield env
    env.close()


def test_default_quality_against_the_peer_and_the_bound(
    in_turn: InTurn, table: list[Row], peer: VecEnv, closing: Callable[[Any], Any]
) -> None:
    ours, bare = closing(our_vec_env(ENVS)), closing(bare_vec_env())
    ours.reset()
    rounds = in_turn(lambda: collect(ours), peer=lambda: collect(peer), bound=lambda: STEPS / bare_rate(bare))
    table.append(_against_peer("collection, 2x rendered and box-averaged (default)", rounds, 3.5))
    bound, share = STEPS / rounds.median("bound"), rounds.ratio("bound")
    table.append(
        Row(
            "the same, of 2 cores / (env.step + bare render), `LP_NUM_THREADS=1`",
            f"{STEPS / rounds.median():.0f} steps/s",
            f"bound {bound:.0f} steps/s",
            f"{share:.0%} ({rounds.range('bound')})",
            "≥ 80 %",
            verdict(share >= 0.8),
        )
    )


def test_fastest_84_pixel_option_against_the_peer(
    in_turn: InTurn, table: list[Row], peer: VecEnv, closing: Callable[[Any], Any]
) -> None:
    ours = closing(our_vec_env(ENVS, render_size=84))
    ours.reset()
    rounds = in_turn(lambda: collect(ours), peer=lambda: collect(peer))
    table.append(_against_peer("collection, `render_size=84`, not averaged", rounds, 6.0))


def _against_peer(what: str, rounds: Rounds, target: float) -> Row:
    return Row(
        what,
        f"{STEPS / rounds.median():.0f} steps/s",
        f"{STEPS / rounds.median('peer'):.0f} steps/s",
        f"{rounds.ratio('peer'):.2f} ({rounds.range('peer')})",
        f"≥ {target:g} x",
        verdict(rounds.ratio("peer") >= target),
    )
