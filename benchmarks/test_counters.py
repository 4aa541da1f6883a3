"""Gates on cost that do not depend on the machine: they run with every test run, and fail when work is added."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from stable_baselines3.common.logger import Logger
from visual_her.pixel_env import PixelObservationWrapper
from visual_her.vec_env import make_task

from benchmarks.chapter_baseline import ChapterEnv, buffer_nbytes, chapter_agent, chapter_buffer
from benchmarks.counting import drawing, elements_touched, encoder_passes, host_reads
from benchmarks.storing import fill, noise_episode, our_buffer
from benchmarks.updating import batch_of, critic_loss_of, our_agent, ready_to_update, with_same_noise


def test_a_step_renders_once_and_computes_no_kinematics_beyond_the_tasks_own() -> None:
    task, env, chapter = make_task("FetchPush-v4"), PixelObservationWrapper(make_task("FetchPush-v4")), ChapterEnv()
    counts = {}
    for name, subject in (("task", task), ("ours", env), ("chapter", chapter)):
        subject.reset(seed=0)
        with drawing() as drawn:
            for _ in range(5):
                subject.step(subject.action_space.sample() * 0)
        subject.close()
        counts[name] = (drawn.renders, drawn.forwards)
    renders, forwards = counts["ours"]
    assert renders == 5, f"5 steps rendered {renders} times"
    assert forwards == counts["task"][1], f"5 steps called mj_forward {forwards} times, the task {counts['task'][1]}"
    assert counts["chapter"] == (5, counts["task"][1] + 5), "the counters miss what the library's render() does"


@pytest.mark.parametrize("image_size", [36])
def test_an_update_passes_each_encoder_as_rarely_as_its_losses_allow(image_size: int) -> None:
    batch, counts = batch_of(4, image_size), {}
    for name, agent in (("ours", our_agent(image_size=image_size)), ("chapter", chapter_agent(image_size))):
        update = ready_to_update(agent, batch)
        with encoder_passes(agent, 4) as passes:
            update()
        counts[name] = (passes.forward, passes.backward)
    assert counts["ours"] == (3, 1), "needed: s with its gradient, and s' through the online and the target encoder"
    assert counts["chapter"] == (5, 2), "the peer is no longer the chapter's: 9 forward equivalents an update"


def test_an_update_has_the_critic_loss_of_stock_sac() -> None:
    peer, ours, batch = chapter_agent(36), our_agent(image_size=36), batch_of(16, 36)
    ours.policy.load_state_dict(peer.policy.state_dict())
    losses = []
    for agent in (ours, peer):
        update = ready_to_update(agent, batch)
        with with_same_noise():
            update()
        losses.append(critic_loss_of(agent))
    assert losses[0] == pytest.approx(losses[1], rel=0, abs=1e-5)


def test_sampling_and_updating_read_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first update may; ``test_gpu.py`` has CUDA itself say the same."""
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", False)  # as PixelSAC does on a GPU
    ours, peer = our_agent(image_size=36), chapter_agent(36)
    fill(ours.replay_buffer, 50, [noise_episode(36)])  # type: ignore[arg-type]
    ours.num_timesteps = 1_000_000
    ours.set_logger(Logger(None, []))
    update_peer = ready_to_update(peer, batch_of(4, 36))
    counts = []
    updates: list[Callable[[], None]] = [lambda: ours.update(1, 4), update_peer]
    for update in updates:
        update()
        with host_reads() as reads:
            update()
        counts.append(reads.value)
    assert counts[0] == 0, f"an update waits {counts[0]} times for the GPU"
    assert counts[1] > 0, "the counter misses what stock SAC.train logs"


def test_a_transition_takes_an_eighth_of_the_chapters_bytes() -> None:
    ours = our_buffer(2_000, image_size=84).nbytes / 2_000
    peer = buffer_nbytes(chapter_buffer(2_000, image_size=84, n_envs=4)) / 2_000
    assert ours <= 22_000, f"{ours:,.0f} bytes a transition"
    assert peer / ours >= 7.7, f"{peer:,.0f} bytes a transition in the chapter, {ours:,.0f} here"


def test_the_work_of_a_sample_does_not_grow_with_what_is_stored() -> None:
    work = {}
    for stored in (2_000, 20_000):
        ours, peer = our_buffer(stored, image_size=4), chapter_buffer(stored, image_size=4, n_envs=4)
        for name, buffer in (("ours", ours), ("peer", peer)):
            fill(buffer, stored, [noise_episode(4)])
            with elements_touched(buffer) as touched:
                buffer.sample(256)
            work[name, stored] = touched.value
    few, many = work["ours", 2_000], work["ours", 20_000]
    assert abs(many - few) < 0.01 * few, f"{few:,} elements with 2 k stored, {many:,} with 20 k: something scans"
    assert work["peer", 20_000] - work["peer", 2_000] >= 18_000, "the counter misses SB3's scan of the whole buffer"


# VmHWM and not ru_maxrss, which a child process inherits from a large parent.
RUN = """
import json, re, sys
from pathlib import Path
from visual_her.__main__ import main
sys.argv[1:] = {arguments!r}
code = main()
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps([code, int(peak[1]) * 1024]))
"""


def test_a_training_run_needs_little_more_memory_than_its_buffer(tmp_path: Path) -> None:
    arguments = ["train", "--recipe", "demo", "--n-envs", "1", "--total-steps", "120", "--learning-starts", "60"]
    arguments += ["--batch-size", "16", "--buffer-size", "40000", "--device", "cpu", "--no-checkpoint-buffer"]
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(arguments=arguments)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    code, peak = json.loads(done.stdout.splitlines()[-1])
    buffer = 40_000 * 42 * 42 * 3 * 1.1
    assert code == 0, done.stderr
    assert buffer < peak < buffer + 900e6, f"peak {peak / 1e6:.0f} MB with a buffer of {buffer / 1e6:.0f} MB"
