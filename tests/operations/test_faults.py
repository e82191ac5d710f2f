"""Each fault of an operator's day is made for real, and the first line that the command prints is its cause."""

from __future__ import annotations

import logging
import re
import time

import pytest

from cxb_recordings.findings import Check

from .deployments import Make
from .faults import FAULTS
from .render import PAGE, row, rows
from .stage import SECRETS, TOKEN, Stage, stage

__all__ = ["stage"]  # fixture

ALL = [(command, name, make) for command, faults in FAULTS.items() for name, make in faults.items()]
SLOW = 10.0  # seconds: no fault takes as long


@pytest.mark.full
@pytest.mark.parametrize(("command", "name", "make"), ALL, ids=[name for _, name, _ in ALL])
def test_the_first_line_is_as_the_page_has_it_and_no_secret_is_in_any_line(
    command: str,
    name: str,
    make: Make,
    stage: Stage,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    caplog.set_level(logging.DEBUG, "cxb_recordings")  # not those of botocore and pymongo, which show all
    case = make(stage)
    began = time.monotonic()

    printed = stage.run(case)

    request.node.user_properties.append(("row", row(name, command, printed)))
    assert time.monotonic() - began < SLOW
    for hidden in (*SECRETS.values(), TOKEN, case.stdin.strip() or TOKEN, "X-Amz-Signature"):
        assert hidden not in printed + caplog.text
    assert row(name, command, printed) in rows(), "run python -m tests.operations.render, and read what it wrote"


def test_the_page_has_each_fault_once() -> None:
    on_the_page = [line.split(" | ")[0].removeprefix("| ") for line in rows()]

    assert on_the_page == [name for _, name, _ in ALL]
    assert len(set(on_the_page)) == len(ALL) >= 40


def test_each_check_has_an_id_of_its_own_and_a_section_on_the_page() -> None:
    sections = re.findall(
        r"^### (CXB\d{3})$\n\n\*\*(.+?)\*\*", PAGE.with_name("operations.md").read_text(), re.MULTILINE
    )

    assert len({check.id for check in Check}) == len(Check)
    assert dict(sections) == {check.id: check.title for check in Check}
    assert sections == sorted(sections)
