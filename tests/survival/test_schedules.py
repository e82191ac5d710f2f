"""Random schedules of faults: nothing is silently wrong, and nothing is lost that a healthy source had."""

from __future__ import annotations

import pytest

from .schedules import run_all, tally

COUNT = 120


@pytest.mark.parametrize(
    "first",
    [1, *(pytest.param(number, marks=pytest.mark.full) for number in range(1 + COUNT, 3 * COUNT, COUNT))],
)
def test_no_random_schedule_ends_silently_wrong_or_loses_what_a_healthy_source_has(first: int) -> None:
    results = run_all(first, COUNT)

    counts = tally(results)
    assert [result for result in results if result.outcome in ("silently wrong", "lost")] == []
    assert counts["whole"] > COUNT / 2, "the schedules are too hard to show anything"
    assert counts["cut"], "the schedules are too easy to show anything"
