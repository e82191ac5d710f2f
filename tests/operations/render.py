"""Makes every fault, and writes each first line into docs/faults.md: ``python -m tests.operations.render``.

The page is the one place where they are written down; the tests make the faults again and compare.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
MARK = "<!-- From here on: written by `python -m tests.operations.render`. -->\n"
HEAD = ["", "| fault | command | first line | remedy |", "|---|---|---|---|"]


def row(name: str, command: str, printed: str) -> str:
    """A fault's line of the table, by what the command printed."""
    first, remedy, *_ = printed.splitlines()
    return f"| {name} | `{command}` | `{re.sub(' +', ' ', first)}` | {remedy.strip().removeprefix('-> ')} |"


def rows() -> list[str]:
    """The lines of the page's table."""
    return PAGE.read_text().partition(MARK)[2].splitlines()[len(HEAD) :]


class _Rows:
    """Gathers the rows that the tests made."""

    def __init__(self) -> None:
        self.rows: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.rows += self._of(report) if report.when == "call" else []

    @staticmethod
    def _of(report: pytest.TestReport) -> Iterator[str]:
        return (str(value) for name, value in report.user_properties if name == "row")


def main() -> int:
    """Make the faults, and write the page; the tests' own status."""
    made = _Rows()
    tests = str(Path(__file__).with_name("test_faults.py"))
    status = pytest.main([tests, "--require-servers", "-q", "-k", "first_line", "--tb=no"], plugins=[made])
    prose, mark, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(prose + mark + "\n".join([*HEAD, *made.rows, ""]))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
