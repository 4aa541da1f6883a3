"""The README's code runs as it is printed there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_readme_has_the_script_for_stock_sb3() -> None:
    assert any("DrQv2SACPolicy" in block and "PixelObservationWrapper" in block for block in BLOCKS)


@pytest.mark.parametrize("block", [block for block in BLOCKS if "agent.learn" in block])
def test_the_script_for_stock_sb3_runs_and_the_actor_sends_the_encoder_nothing(block: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    found = re.search(r"GradientFlow\(critic=([0-9.e-]+), actor=([0-9.e-]+)\)", done.stdout)
    assert found, done.stdout
    assert float(found[1]) > 0, "the critic's loss does not reach the encoder"
    assert float(found[2]) == 0, "the actor's loss reaches the encoder"
