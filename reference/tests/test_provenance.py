"""A figure's commit is called dirty when code was changed, and not when a table of results was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from visual_her import provenance


def test_changed_code_makes_a_commit_dirty_and_a_changed_table_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, table = tmp_path / "package" / "provenance.py", tmp_path / "acceptance" / "table.csv"
    for file in (module, table):
        file.parent.mkdir()
        file.write_text("as committed")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(provenance, "__file__", str(module))

    table.write_text("one row more")
    clean = provenance.git_commit()
    assert clean
    assert not clean.endswith("-dirty")
    module.write_text("changed")
    assert provenance.git_commit() == clean + "-dirty"
