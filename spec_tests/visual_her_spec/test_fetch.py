"""OBS on the real tasks: what MuJoCo draws, which of the state is the robot's own, and that nothing else is changed."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image
from stable_baselines3.common.vec_env.base_vec_env import CloudpickleWrapper

from visual_her_spec.catalogue import Profile, requirement
from visual_her_spec.protocol import Array, Capability, Implementation, Observations
from visual_her_spec.test_observation import Recorder, agree, assert_in_space

STRUCTURE = "chapter section 9.3"
WRAPPING = "chapter section 9.9"
FETCH_TASKS = ("FetchReach-v4", "FetchPush-v4", "FetchSlide-v4", "FetchPickAndPlace-v4")
PROPRIOCEPTION = [0, 1, 2, 9, 10, 20, 21, 22, 23, 24]
"""Gripper position, finger positions, gripper velocity and finger velocities in the 25-D state."""
GRIPPER = np.array([1.34, 0.75])
"""Where the gripper of FetchPush starts, (x, y) in metres; pucks are placed up to 0.15 m from it on each axis."""
TABLE_HEIGHT = 0.425
OUT_OF_SIGHT = (1.3, 0.75, 20.0)
ARM_LEFT, ARM_RIGHT = np.array([0, 1, 1, 0], np.float32), np.array([0, -1, 1, 0], np.float32)
STAY = np.zeros(4, np.float32)


def fetch_task(name: str = "FetchPush-v4") -> gym.Env[Any, Any]:
    """The real task, which could draw itself."""
    import gymnasium_robotics

    gym.register_envs(gymnasium_robotics)
    return gym.make(name, render_mode="rgb_array")


def begin(env: gym.Env[Any, Any], steps: int) -> Iterator[dict[str, Array]]:
    """The first observations of an episode in which the arm moves."""
    yield env.reset(seed=0)[0]
    for _ in range(steps):
        yield env.step(ARM_LEFT)[0]


def place_puck(
    env: gym.Env[Any, Any], position: tuple[float, float, float], *, yaw: float = 0.0, velocity: float = 0.0
) -> None:
    """Moves the puck (metres), turns it (radians) and lets it slide (m/s) and spin, and touches nothing else."""
    import mujoco

    task: Any = env.unwrapped
    joint = task.model.joint("object0:joint")
    pose, speed = int(joint.qposadr[0]), int(joint.dofadr[0])
    task.data.qpos[pose : pose + 7] = *position, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)
    task.data.qvel[speed : speed + 6] = velocity, 0, 0, 0, 0, 3 * velocity
    mujoco.mj_forward(task.model, task.data)


def on_table(dx: float, dy: float) -> tuple[float, float, float]:
    """A puck's position at an offset from below the gripper, in metres."""
    return float(GRIPPER[0] + dx), float(GRIPPER[1] + dy), TABLE_HEIGHT


def newest(observation: Observations) -> Array:
    """The newest frame, (3, H, W), signed."""
    frame: Array = observation["pixels"][-3:].astype(np.int16)
    return frame


def difference(left: Array, right: Array) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(left - right).mean())


def changed_pixels(left: Array, right: Array) -> Array:
    """(n, 2) rows and columns of the pixels that differ visibly."""
    return np.argwhere(np.abs(left - right).max(axis=0) > 12)


def project(point: Any, size: int = 84) -> Array:
    """(row, column) of a point in metres, in gymnasium-robotics' own camera for the Fetch tasks."""
    azimuth, elevation = np.radians([132.0, -14.0])
    forward = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    offset = np.asarray(point) - (np.array([1.3, 0.75, 0.55]) - 2.5 * forward)
    scale = size / 2 / np.tan(np.radians(45.0 / 2)) / (offset @ forward)
    position: Array = size / 2 + scale * np.array([-(offset @ np.cross(right, forward)), offset @ right]) - 0.5
    return position


def farthest(pixels: Array, *points: Any) -> float:
    """Distance in pixels from that one of ``pixels`` to its nearest point which is farthest away."""
    distances = [np.linalg.norm(pixels - project(point), axis=1) for point in points]
    return float(np.min(distances, axis=0).max(initial=0.0))


def draw(
    env: gym.Env[Any, Any], *, seed: int = 3, puck: tuple[float, float, float] | None = None, goal: Any = None
) -> Array:
    """The newest frame one resting step after a reset in which the puck or the goal were moved."""
    env.reset(seed=seed)
    if puck is not None:
        place_puck(env, puck)
    if goal is not None:
        task: Any = env.unwrapped
        task.goal = np.array(goal, np.float64)
    return newest(env.step(STAY)[0])


@pytest.fixture(scope="module")
def library_pictures(impl: Implementation) -> list[Array]:
    """What the library draws of ``scripted_actions``: 480 pixels with its own camera, resized to (3, 84, 84)."""
    with closing(impl.make_env(fetch_task())) as env:
        env.reset()  # the implementation chooses the GL backend before the library does
    with closing(fetch_task()) as task:
        task.reset(seed=SCRIPT_SEED)
        pictures = [library_picture(task)]
        for action in scripted_actions():
            task.step(action)
            pictures.append(library_picture(task))
    return [resize(picture) for picture in pictures]


SCRIPT_SEED = 2


def scripted_actions() -> list[Array]:
    """A few large moves of the arm."""
    return [np.array(action, np.float32) for action in ([0, 1, 1, 0], [0, 1, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0])]


def scripted_frames(env: gym.Env[Any, Any]) -> list[Array]:
    """The newest frame at each instant of the script."""
    observations = [env.reset(seed=SCRIPT_SEED)[0], *(env.step(action)[0] for action in scripted_actions())]
    return [newest(observation) for observation in observations]


def library_picture(env: gym.Env[Any, Any]) -> Array:
    """The library's own picture, (480, 480, 3) uint8."""
    task: Any = env.unwrapped
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUJOCO_GL", os.environ.get("MUJOCO_GL") or "egl")
        if task.mujoco_renderer.viewer is not None:
            task.mujoco_renderer.viewer.make_context_current()  # the library forgets to
        return np.asarray(task.render())


def resize(picture: Array) -> Array:
    """(480, 480, 3) uint8 -> (3, 84, 84), as the chapter does."""
    resized = Image.fromarray(picture).resize((84, 84), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.int16).transpose(2, 0, 1)


@requirement(
    "OBS-015",
    "FetchReach, FetchPush, FetchSlide and FetchPickAndPlace MUST wrap, reset and step within their observation space.",
    reason="they share a base class, not a state, a goal range or a model",
    source="https://robotics.farama.org/envs/fetch/",
)
@pytest.mark.parametrize("name", FETCH_TASKS)
def test_all_fetch_tasks_are_observed(impl: Implementation, name: str) -> None:
    with closing(impl.make_env(fetch_task(name))) as env:
        for observation in begin(env, 2):
            assert_in_space(observation, env.observation_space, name)
            contrast = observation["pixels"].std()
            assert contrast > 10, (
                f"the picture of {name} is empty, its pixels spread by {contrast:.1f}: check the renderer"
            )


@requirement(
    "OBS-011",
    "Where a task has no object, its whole observation MUST be proprioception.",
    reason="FetchReach's 10-D state is the robot and nothing else; indices of another task cut it apart",
    source=STRUCTURE,
)
def test_without_an_object_all_is_proprioception(impl: Implementation) -> None:
    task = Recorder(fetch_task("FetchReach-v4"))
    with closing(impl.make_env(task, image_size=16, frame_stack=1)) as env:
        for observation in begin(env, 2):
            found, state = observation["proprioception"], task.state["observation"]
            equal = agree(found, state)
            assert equal, (
                f"FetchReach's proprioception, {found.shape}, is not its whole state, {state.shape}, as it is: "
                "pick indices only where the task has an object"
            )


@requirement(
    "OBS-016",
    "By default FetchPush MUST be observed as pixels uint8 (12, 84, 84), proprioception float64 (10,) and both goals "
    "float64 (3,).",
    reason="the chapter's 80-D features and its replay arithmetic are built on these sizes",
    source=STRUCTURE,
    profile=Profile.CHAPTER,
)
def test_push_is_observed_as_in_the_chapter(impl: Implementation) -> None:
    expected = {
        "pixels": ((12, 84, 84), "uint8"),
        "proprioception": ((10,), "float64"),
        "achieved_goal": ((3,), "float64"),
        "desired_goal": ((3,), "float64"),
    }
    with closing(impl.make_env(fetch_task())) as env:
        observation = env.reset(seed=0)[0]
    for key, (shape, dtype) in expected.items():
        found = (observation[key].shape, str(observation[key].dtype))
        assert found == (shape, dtype), f"{key} is {found[0]} {found[1]}, not {shape} {dtype}: check sizes and defaults"


@requirement(
    "OBS-017",
    "Proprioception of a task with an object MUST be state indices 0, 1, 2, 9, 10, 20, 21, 22, 23, 24, as they are.",
    reason="grip_pos, gripper_state, grip_velp and gripper_vel are what the robot knows of itself",
    source=STRUCTURE,
    profile=Profile.CHAPTER,
)
def test_proprioception_by_index(impl: Implementation) -> None:
    task = Recorder(fetch_task())
    with closing(impl.make_env(task, image_size=16, frame_stack=1)) as env:
        for observation in begin(env, 3):
            found, expected = observation["proprioception"], task.state["observation"][PROPRIOCEPTION]
            assert found.shape == (10,), f"proprioception is {found.shape}, not (10,): take indices {PROPRIOCEPTION}"
            wrong = [PROPRIOCEPTION[at] for at in np.flatnonzero(found != expected)]
            assert not wrong, (
                f"proprioception differs from the state at index {wrong[0]}: take indices {PROPRIOCEPTION}"
            )


@requirement(
    "OBS-018",
    "Proprioception MUST tell nothing about the object, and MUST follow the gripper.",
    reason="with the puck's position in it a policy succeeds without looking",
    source=STRUCTURE,
)
def test_proprioception_does_not_leak_the_puck(impl: Implementation) -> None:
    def proprioception(puck: tuple[float, float, float], action: Array, **motion: float) -> Array:
        env.reset(seed=3)
        place_puck(env, puck, **motion)
        return np.asarray(env.step(action)[0]["proprioception"])

    with closing(impl.make_env(fetch_task(), image_size=16, frame_stack=1)) as env:
        still = proprioception(on_table(0.12, 0.12), STAY)
        moved = proprioception(on_table(-0.12, -0.12), STAY, yaw=0.7, velocity=1.0)
        gripper = proprioception(on_table(0.12, 0.12), ARM_LEFT)
    leaks = np.flatnonzero(np.abs(moved - still) > 1e-4)
    assert not len(leaks), (
        f"moving, turning and sliding only the puck changed proprioception {leaks.tolist()} by up to "
        f"{np.abs(moved - still).max():.2g}: leave the object's state out"
    )
    followed = np.abs(gripper - still).max()
    assert followed > 1e-3, (
        f"moving the gripper changed proprioception by {followed:.2g} only: take it from the robot's state"
    )


@requirement(
    "OBS-019",
    "Moving the puck MUST change the pixels where it was and where it is, and no others.",
    reason="the puck is 7 pixels of 7,056; a stale scene still looks right",
    source="chapter section 9.1",
    capability=Capability.MUJOCO_CAMERA,
)
def test_the_puck_is_in_the_picture(impl: Implementation) -> None:
    here, there = on_table(0.12, 0.12), on_table(0.12, -0.12)
    with closing(impl.make_env(fetch_task(), goal_marker="hidden", frame_stack=1)) as env:
        changed = changed_pixels(draw(env, puck=here), draw(env, puck=there))
    assert len(changed) >= 8, f"moving the puck by 24 cm changed {len(changed)} pixels: draw the scene as it is now"
    stray = farthest(changed, here, there)
    assert stray < 5, (
        f"moving the puck changed a pixel {stray:.0f} px away from where it was and is: "
        "check camera and image orientation"
    )


@requirement(
    "OBS-020",
    "The camera 'table' MUST show the puck at least 5 pixels wide at 84x84, and in view at the corners of its range.",
    reason="in the library's camera it is 3 pixels wide, and the chapter counts on 5",
    source="chapter section 9.1",
    capability=Capability.MUJOCO_CAMERA,
)
def test_the_table_camera_shows_the_puck(impl: Implementation) -> None:
    widths = []
    with closing(impl.make_env(fetch_task(), camera="table", goal_marker="hidden", frame_stack=1)) as env:
        empty = draw(env, puck=OUT_OF_SIGHT)
        for dx, dy in ((-0.15, -0.15), (-0.15, 0.15), (0.15, -0.15), (0.15, 0.15)):
            change = np.abs(draw(env, puck=on_table(dx, dy)) - empty).max(axis=0)
            covered = change > max(change.max() / 2, 12)  # at least half of the pixel
            widths.append(int(covered.any(axis=0).sum()))
    in_sight = sorted(widths)[1:]  # the arm may hide one corner
    assert in_sight[0] >= 5, f"at the corners of its range the puck is {widths} px wide, not 5: bring the camera closer"


@requirement(
    "OBS-021",
    "With goal_marker='hidden' the goal MUST change no pixel, and nothing but the marker MUST be missing.",
    reason="HER cannot repaint the marker: after relabelling the pixels contradict desired_goal",
    source="Eysenbach et al. 2022, arXiv:2206.07568",
    capability=Capability.MUJOCO_CAMERA,
)
def test_a_hidden_marker_is_hidden(impl: Implementation) -> None:
    with closing(impl.make_env(fetch_task(), goal_marker="hidden", frame_stack=1)) as env:
        hidden = draw(env, goal=on_table(0.12, 0.0))
        moved = draw(env, goal=on_table(0.0, 0.12))
    with closing(impl.make_env(fetch_task(), goal_marker="visible", frame_stack=1)) as env:
        without = draw(env, goal=OUT_OF_SIGHT)
    seen = len(changed_pixels(hidden, moved))
    assert not seen, f"moving the goal changed {seen} pixels although the marker is hidden: leave the site target0 out"
    missing = len(changed_pixels(hidden, without))
    marker = 12  # pixels at most, should it not have been moved out of sight
    assert missing <= marker, (
        f"hiding the marker changed {missing} pixels, more than its own: hide only the site target0"
    )


@requirement(
    "OBS-022",
    "A visible goal marker MUST be drawn at desired_goal, from the first frame of an episode on.",
    reason="the task moves it only when it draws itself; a wrapper that draws shows the previous goal's",
    source="Farama-Foundation/Gymnasium-Robotics: fetch_env.py, _render_callback",
    capability=Capability.MUJOCO_CAMERA,
)
def test_a_visible_marker_is_at_the_goal(impl: Implementation) -> None:
    seeds = range(6)
    with closing(impl.make_env(fetch_task(), goal_marker="hidden", frame_stack=1)) as env:
        hidden = [newest(env.reset(seed=seed)[0]) for seed in seeds]
    visible = 0
    with closing(impl.make_env(fetch_task(), goal_marker="visible", frame_stack=1)) as env:
        for seed in seeds:
            observation = env.reset(seed=seed)[0]
            marker = changed_pixels(newest(observation), hidden[seed])
            visible += len(marker) > 0
            stray = farthest(marker, observation["desired_goal"])
            assert stray < 4, (
                f"right after a reset the marker is {stray:.0f} px away from desired_goal: move it before drawing"
            )
        assert visible >= 3, f"the marker is in sight after {visible} of {len(seeds)} resets: draw the site target0"
        here, there = on_table(0.12, 0.12), on_table(0.12, -0.12)
        changed = changed_pixels(draw(env, goal=here), draw(env, goal=there))
    assert len(changed), "moving the goal during an episode changed no pixel: move the marker before every frame"
    stray = farthest(changed, here, there)
    assert stray < 4, (
        f"moving the goal changed a pixel {stray:.0f} px away from the two goals: draw the marker at the goal"
    )


@requirement(
    "OBS-023",
    "The default camera's picture MUST be within 3.5 grey levels, on average, of the library's own 480 pixels, "
    "resized to 84.",
    reason="figures compare only if the picture does: camera, orientation, colours and anti-aliasing",
    source=WRAPPING,
    capability=Capability.MUJOCO_CAMERA,
)
def test_the_default_picture_is_the_librarys(impl: Implementation, library_pictures: list[Array]) -> None:
    with closing(impl.make_env(fetch_task())) as env:
        frames = scripted_frames(env)
    for step, (frame, picture) in enumerate(zip(frames, library_pictures, strict=True)):
        found = difference(frame, picture)
        hint = "check camera and lights"
        for name, variant in (
            ("upside down", frame[:, ::-1]),
            ("mirrored", frame[:, :, ::-1]),
            ("in BGR", frame[::-1]),
        ):
            if difference(variant, picture) < found / 2:
                hint = f"it is {name}"
        assert found < 3.5, f"the picture at step {step} is {found:.1f} grey levels away from the library's: {hint}"


@requirement(
    "OBS-024",
    "With render_size=480 the picture MUST be the chapter's: the library's 480 pixels, resized bilinearly.",
    reason="a comparison with the chapter's figures needs the chapter's input",
    source=WRAPPING,
    profile=Profile.CHAPTER,
    capability=Capability.MUJOCO_CAMERA,
)
def test_the_chapters_pipeline_on_request(impl: Implementation, library_pictures: list[Array]) -> None:
    with closing(impl.make_env(fetch_task(), render_size=480)) as env:
        frame = newest(env.reset(seed=SCRIPT_SEED)[0])
    found = difference(frame, library_pictures[0])
    assert found < 0.5, (
        f"with render_size=480 the picture is {found:.2f} grey levels away from the library's own, resized: "
        "render 480 pixels with the model's multisampling and resize"
    )


@requirement(
    "OBS-025",
    "On MuJoCo too, a frame MUST show the instant of its vectors and not the step before or after.",
    reason="MuJoCo's scene is a copy of the state that has to be updated after the step",
    source="https://mujoco.readthedocs.io/en/stable/programming/visualization.html",
    capability=Capability.MUJOCO_CAMERA,
)
def test_mujoco_frames_are_not_a_step_behind(impl: Implementation, library_pictures: list[Array]) -> None:
    with closing(impl.make_env(fetch_task())) as env:
        frames = scripted_frames(env)
    for step, frame in enumerate(frames):
        nearest = int(np.argmin([difference(frame, picture) for picture in library_pictures]))
        assert nearest == step, (
            f"the frame of step {step} shows step {nearest}: update the scene after the task has stepped"
        )


@requirement(
    "OBS-026",
    "Several environments in one process MUST each draw their own scene.",
    reason="a GL context that is not made current again draws into, or reads from, another environment's",
    source="https://github.com/Farama-Foundation/Metaworld/issues/448",
)
def test_environments_draw_their_own_scene(impl: Implementation) -> None:
    # Two alike, whose scenes could be mistaken; one with another model and size, whose GL objects cannot stand in.
    scenes = (
        ("FetchPush-v4", 84, ARM_LEFT),
        ("FetchPush-v4", 84, ARM_RIGHT),
        ("FetchSlide-v4", 42, ARM_LEFT),
    )

    def start(index: int, stack: ExitStack) -> gym.Env[Any, Any]:
        name, size, _ = scenes[index]
        env = stack.enter_context(closing(impl.make_env(fetch_task(name), image_size=size, frame_stack=1)))
        env.reset(seed=index)
        return env

    alone = []
    for index, (_, _, action) in enumerate(scenes):
        with ExitStack() as stack:
            env = start(index, stack)
            alone.append([newest(env.step(action)[0]) for _ in range(3)])
    with ExitStack() as stack:
        envs = [start(index, stack) for index in range(3)]
        for step in range(3):
            for index, env in enumerate(envs):
                frame = newest(env.step(scenes[index][2])[0])
                own, other = difference(frame, alone[index][step]), difference(alone[0][step], alone[1][step])
                assert own < min(1.0, other / 2), (
                    f"beside others env {index} draws a picture {own:.1f} grey levels away from what it draws alone: "
                    "make its own GL context current before each draw"
                )


WORKER = "import sys; from visual_her_spec.test_fetch import draw_in_worker; draw_in_worker(*sys.argv[1:])"


def draw_in_worker(pickled: str, frames: str) -> None:
    """Writes the scripted frames, drawn by an implementation that came in a pickle."""
    impl: Implementation = pickle.loads(Path(pickled).read_bytes()).var
    with closing(impl.make_env(fetch_task())) as env:
        np.save(frames, np.stack(scripted_frames(env)))


@requirement(
    "OBS-027",
    "Worker processes that draw at the same time MUST show what this process shows for the same seed.",
    reason="workers come up without this process's GL backend, and many that open EGL at once can hang",
    source="https://github.com/google-deepmind/mujoco/pull/2069",
)
def test_workers_draw_the_same_picture(impl: Implementation, tmp_path: Path) -> None:
    with closing(impl.make_env(fetch_task())) as env:
        here = np.stack(scripted_frames(env))
    pickled, frames = tmp_path / "impl.pickle", [tmp_path / f"{worker}.npy" for worker in range(2)]
    pickled.write_bytes(pickle.dumps(CloudpickleWrapper(impl)))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    # Fresh interpreters: multiprocessing's spawn would run the caller's main module again.
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, pickled, path], env=environment, stderr=subprocess.PIPE, text=True
        )
        for path in frames
    ]
    for index, (worker, path) in enumerate(zip(workers, frames, strict=True)):
        try:
            errors = worker.communicate(timeout=100)[1]
        except subprocess.TimeoutExpired:
            for hanging in workers:
                hanging.kill()
            errors = "it hangs"
        reason = [line.strip() for line in errors.splitlines() if line.strip()][-1:]
        assert path.exists(), (
            f"worker process {index} drew nothing ({''.join(reason)}): choose the GL backend in the process that "
            "draws, and open its context at the first frame"
        )
        found = difference(np.load(path), here)
        assert found < 0.5, (
            f"worker process {index} draws {found:.1f} grey levels away from this one for the same seed and actions: "
            "render there with the same backend and camera"
        )


@requirement(
    "OBS-028",
    "Wrapped or not, a task MUST go through the same states for the same seed and actions.",
    reason="a seed that is not passed on or a drawing that steps the simulation make runs incomparable",
    source="Farama-Foundation/Gymnasium: utils/env_checker.py",
)
def test_the_task_goes_on_as_without_the_wrapper(impl: Implementation) -> None:
    task = Recorder(fetch_task())
    with closing(fetch_task()) as bare, closing(impl.make_env(task, image_size=16, frame_stack=1)) as env:
        bare_states = [bare.reset(seed=5)[0], *(bare.step(action)[0] for action in scripted_actions())]
        env.reset(seed=5)
        states = [task.state]
        for action in scripted_actions():
            env.step(action)
            states.append(task.state)
    for step, (state, expected) in enumerate(zip(states, bare_states, strict=True)):
        for key in expected:
            error = np.abs(state[key] - expected[key]).max()
            assert error < 1e-4, (
                f"at step {step} the wrapped task's {key} is {error:.2g} away from the bare one's: pass seed and "
                "action on as they are, and leave the simulation alone when drawing"
            )


@requirement(
    "OBS-029",
    "Wrapping MUST leave the task's own render() what it was.",
    reason="the video of an evaluation is drawn by it, and shows a wrong goal or a wrong size otherwise",
    source="Farama-Foundation/Gymnasium-Robotics: fetch_env.py, _render_callback",
    capability=Capability.MUJOCO_CAMERA,
)
def test_the_task_draws_itself_as_before(impl: Implementation) -> None:
    task = fetch_task()
    with closing(impl.make_env(task)) as env:
        env.reset(seed=SCRIPT_SEED)
        env.step(ARM_LEFT)
        wrapped = library_picture(task)
    with closing(fetch_task()) as bare:
        bare.reset(seed=SCRIPT_SEED)
        bare.step(ARM_LEFT)
        expected = library_picture(bare)
    assert wrapped.shape == expected.shape, (
        f"the wrapped task's render() is {wrapped.shape}, not {expected.shape}: restore sizes"
    )
    changed = int((np.abs(wrapped.astype(np.int16) - expected).max(axis=2) > 30).sum())
    assert changed < 20, (
        f"{changed} pixels of the wrapped task's own render() are not what they were: restore what drawing changes "
        "in the model and its data, such as the marker's position"
    )
