"""Only the wheel, in an empty environment and an empty folder: the README's adapter, through all three ways in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.xdist_group("wheel")  # one environment for all of them


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in ``venv`` with visual-her[spec] alone, and the README's ``my_adapter.py`` beside it."""
    place = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", place, ROOT], check=True)
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    (wheel,) = place.glob("visual_her-*.whl")
    install = [place / "venv/bin/pip", "install", "-q", "-c", ROOT / "constraints.txt", f"{wheel}[spec]"]
    subprocess.run(install, check=True)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (adapter,) = [block for block in blocks if "SB3Implementation" in block]
    assert len(adapter.splitlines()) < 40
    (place / "my_adapter.py").write_text(adapter)
    return place


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([folder / "venv/bin" / command[0], *command[1:]], cwd=folder, capture_output=True, text=True)


def test_the_command_says_that_the_actor_trains_the_encoder(folder: Path) -> None:
    done = run(
        folder, "visual-her", "conform", "--impl", "my_adapter:IMPLEMENTATION", "--area", "GRD", "--report", "report"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the actor's loss changed encoder" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    footer = json.loads((folder / "report/report.jsonl").read_text().splitlines()[-1])
    assert (footer["kind"], footer["exit_code"]) == ("footer", 1)
    assert (folder / "report/junit.xml").exists()
    assert "NOT CONFORMANT" in (folder / "report/report.md").read_text()


def test_pytest_has_the_same_result(folder: Path) -> None:
    plugin = ("-p", "visual_her_spec.plugin", "--pyargs", "visual_her_spec")
    done = run(folder, "python", "-m", "pytest", *plugin, "--impl", "my_adapter:IMPLEMENTATION", "--area", "GRD")
    assert done.returncode == 1, done.stdout
    assert "the actor's loss changed encoder" in done.stdout


def test_python_has_the_same_result(folder: Path) -> None:
    program = (
        "from my_adapter import IMPLEMENTATION; from visual_her_spec.conformance import check_implementation as check; "
        "report = check(IMPLEMENTATION, areas=['GRD']); print(report.headline(), report.exit_code)"
    )
    done = run(folder, "python", "-c", program)
    assert done.returncode == 0, done.stderr
    assert "NOT CONFORMANT" in done.stdout
    assert done.stdout.strip().endswith(" 1")


def test_the_reference_of_the_wheel_conforms(folder: Path) -> None:
    done = run(folder, "visual-her", "conform", "--area", "GRD", "--area", "ENC")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CONFORMANT" in done.stdout


def test_the_plugin_is_in_no_other_pytest_run(folder: Path) -> None:
    (folder / "test_nothing.py").write_text("def test_nothing():\n    assert 1 + 1 == 2\n")
    done = run(folder, "python", "-m", "pytest", "test_nothing.py")
    assert done.returncode == 0
    assert "visual-her" not in done.stdout
