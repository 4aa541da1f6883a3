"""The replay buffer: bytes a transition, and the time and the work of a relabelled batch of 256."""

from __future__ import annotations

import psutil
import pytest

from benchmarks.chapter_baseline import buffer_nbytes, chapter_buffer
from benchmarks.conftest import InTurn, Rounds
from benchmarks.counting import elements_touched
from benchmarks.storing import contact_episodes, fill, noise_episode, our_buffer, share_with_contact
from benchmarks.table import Row, verdict

BATCH = 256
CAMERAS = (("default", 3_500), ("table", 5_000))  # bytes a transition, at most


def test_bytes_a_transition(table: list[Row]) -> None:
    stored = 5_000
    ours = our_buffer(stored, image_size=84).nbytes / stored
    peer = buffer_nbytes(chapter_buffer(stored, image_size=84, n_envs=4)) / stored
    ratio = peer / ours
    table.append(
        Row(
            "replay bytes a transition, default",
            f"{ours:,.0f} B",
            f"{peer:,.0f} B",
            f"{ratio:.2f}",
            "≤ 22 KB, ≥ 7.7 x",
            verdict(ours <= 22_000 and ratio >= 7.7),
        )
    )


@pytest.mark.parametrize(("camera", "most"), CAMERAS)
def test_bytes_a_compressed_transition(table: list[Row], camera: str, most: int) -> None:
    what = f"the same, compressed, camera `{camera}`"
    from visual_her.compressed_frames import claimed_frame_bytes

    episodes, stored = contact_episodes(40, camera), 2_000
    frame_bytes = claimed_frame_bytes((3, 84, 84), camera)  # what the training run claims
    buffer = our_buffer(stored, image_size=84, storage="compressed", frame_bytes=frame_bytes)
    fill(buffer, stored, episodes)
    assert buffer.size() == stored
    ours, peer = buffer.nbytes / stored, buffer_nbytes(chapter_buffer(stored, image_size=84, n_envs=4)) / stored
    table.append(
        Row(
            f"{what}, {share_with_contact(episodes):.0%} of its episodes with contact",
            f"{ours:,.0f} B",
            f"{peer:,.0f} B",
            f"{peer / ours:.1f}",
            f"≤ {most / 1000:g} KB",
            verdict(ours <= most),
        )
    )


@pytest.mark.parametrize(("stored", "image_size"), [(100_000, 42), (20_000, 84)])
def test_sample_raw(in_turn: InTurn, table: list[Row], stored: int, image_size: int) -> None:
    _need(stored * image_size**2 * (24 + 3) * 1.1)
    ours, episodes = our_buffer(stored, image_size=image_size), [noise_episode(image_size)]
    peer = chapter_buffer(stored, image_size=image_size, n_envs=4)
    fill(ours, stored, episodes)
    fill(peer, stored, episodes)
    rounds = in_turn(lambda: ours.sample(BATCH), peer=lambda: peer.sample(BATCH), times=10, rounds=9)
    why = "" if image_size == 84 else ", the peer's 17 GB at 84x84 scaled to 4"
    table.append(
        _row(f"`sample(256)` with HER, raw, {stored // 1000} k stored at {image_size}x{image_size}{why}", rounds, 3.0)
    )


def test_sample_compressed(in_turn: InTurn, table: list[Row]) -> None:
    what, target, stored = '`sample(256)` with HER, `storage="compressed"`, 100 k stored at 84x84', "≤ 40 ms", 100_000
    peer_stored = 20_000
    _need(peer_stored * 84**2 * 24 * 1.1 + 0.6e9)
    episodes = contact_episodes(20, "default")
    ours = our_buffer(stored, image_size=84, storage="compressed")
    peer = chapter_buffer(peer_stored, image_size=84, n_envs=4)
    fill(ours, stored, episodes)
    fill(peer, peer_stored, episodes)
    rounds = in_turn(lambda: ours.sample(BATCH), peer=lambda: peer.sample(BATCH), times=5, rounds=9)
    milliseconds = 1000 * rounds.median()
    table.append(
        Row(
            what,
            f"{milliseconds:.1f} ms",
            f"{1000 * rounds.median('peer'):.1f} ms ({peer_stored // 1000} k stored)",
            f"{rounds.ratio('peer'):.2f} ({rounds.range('peer')})",
            target,
            verdict(milliseconds <= 40),
        )
    )


def test_work_of_a_sample_at_50_k_and_500_k(table: list[Row]) -> None:
    work = {}
    for stored in (50_000, 500_000):
        ours, peer = our_buffer(stored, image_size=4), chapter_buffer(stored, image_size=4, n_envs=4)
        episodes = [noise_episode(4)]
        fill(ours, stored, episodes)
        fill(peer, stored, episodes)
        for name, buffer in (("ours", ours), ("peer", peer)):
            with elements_touched(buffer) as touched:
                buffer.sample(BATCH)
            work[name, stored] = touched.value
    growth = {name: work[name, 500_000] / work[name, 50_000] for name in ("ours", "peer")}
    table.append(
        Row(
            "array elements that `sample(256)` touches, 50 k and 500 k stored",
            f"{work['ours', 50_000]:,} and {work['ours', 500_000]:,}",
            f"{work['peer', 50_000]:,} and {work['peer', 500_000]:,}",
            f"grows {growth['ours']:.3f} x (peer {growth['peer']:.2f} x)",
            "equal",
            verdict(abs(growth["ours"] - 1) < 0.01),
        )
    )


def _row(what: str, rounds: Rounds, target: float) -> Row:
    ratio = rounds.ratio("peer")
    return Row(
        what,
        f"{1000 * rounds.median():.1f} ms",
        f"{1000 * rounds.median('peer'):.1f} ms",
        f"{ratio:.2f} ({rounds.range('peer')})",
        f"≥ {target:g} x",
        verdict(ratio >= target),
    )


def _need(nbytes: float) -> None:
    available = psutil.virtual_memory().available
    if available < nbytes + 1e9:
        pytest.skip(f"needs {nbytes / 1e9:.1f} GB of memory and 1 GB of air, {available / 1e9:.1f} GB are free")
