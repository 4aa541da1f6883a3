"""When a comparison with a base commit calls something slower, and when it is noise."""

from __future__ import annotations

import pytest
from visual_her.errors import UsageError

from benchmarks.compare import compare, slowed_down


def test_beyond_a_quarter_and_beyond_noise_is_slower() -> None:
    assert slowed_down({"update": [1.0, 1.1, 1.2]}, {"update": [1.5, 1.4, 1.6]}) == ["update"]


@pytest.mark.parametrize(
    ("base", "here"),
    [
        pytest.param([1.0, 1.0, 1.0], [1.2, 1.2, 1.2], id="less than a quarter"),
        pytest.param([1.0, 1.0, 3.0], [1.5, 1.5, 1.5], id="rounds overlap"),
        pytest.param([2.0, 2.0, 2.0], [1.0, 1.0, 1.0], id="faster"),
    ],
)
def test_a_small_or_an_uncertain_difference_is_not(base: list[float], here: list[float]) -> None:
    assert slowed_down({"update": base}, {"update": here}) == []


def test_what_only_one_version_has_is_not_compared() -> None:
    assert slowed_down({}, {"new": [9.0]}) == []


def test_an_unknown_base_is_refused_in_one_sentence() -> None:
    with pytest.raises(UsageError, match="no-such-commit cannot be compared with: give a commit"):
        compare("no-such-commit")
