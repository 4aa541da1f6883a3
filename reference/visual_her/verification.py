"""``visual-her verify wrapper|encoder|policy``: the chapter's three verifications, run from the specification."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any

from visual_her.errors import UsageError


def verify(area: str, passed: str) -> int:
    """Runs one area of the specification on the reference; prints one PASS or FAIL line a requirement.

    Args:
        area: the requirements' prefix, such as ``OBS``.
        passed: what is said when all of them hold.

    Returns:
        0 if all hold, else 1.

    Raises:
        UsageError: pytest or hypothesis is not installed.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        import pytest
        import visual_her_spec
        from visual_her_spec import plugin
    except ImportError as error:
        raise UsageError(f"verify needs {error.name}: pip install 'visual-her[spec]'.") from error

    class Lines:
        failed = checked = 0

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.when != "call" and report.passed:
                return
            entry = getattr(report, "requirement", None)
            if entry is None:
                return
            self.checked += 1
            self.failed += not report.passed
            print(f"{'PASS' if report.passed else 'FAIL'} {entry.id} {entry.sentence}", file=terminal)
            if report.failed:
                print(f"     {_sentence(report)}", file=terminal)

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(self, item: Any) -> Any:
            report = yield
            report.requirement = plugin.requirement_of(item)
            return report

    terminal, lines = sys.stdout, Lines()
    arguments = ["--pyargs", visual_her_spec.__name__, "--area", area, "-c", os.devnull, "-s"]
    arguments += ["-p", "no:cacheprovider", "-p", "no:benchmark"]  # which would leave folders behind
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        pytest.main(arguments, plugins=[plugin, lines])
    if lines.checked == 0:
        raise UsageError(
            f"no requirement of {area} ran: reinstall with pip install 'visual-her[spec]'.", details=output.getvalue()
        )
    print(f"[{lines.failed} FAILED]" if lines.failed else f"[ALL PASS] {passed}")
    return 1 if lines.failed else 0


def _sentence(report: Any) -> str:
    """The failed assertion's own message."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longreprtext).strip().splitlines()[0]
