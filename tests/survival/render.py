"""Writes the table of breaks into docs/survival.md: ``python -m tests.survival.render``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .table import BEHIND, OFFSETS, PHASES, REPLIES, TRANSFERS, Phase, cells

PAGE = Path(__file__).parents[2] / "docs" / "survival.md"
MARK = "<!-- From here on: written by `python -m tests.survival.render`. -->\n"


def rendered() -> str:
    """The tables, one for each moment."""
    return "".join(line + "\n" for phase in PHASES for line in _phase(phase))


def page() -> str:
    """The page as it should be: its prose as it stands, then the tables."""
    prose, mark, _ = PAGE.read_text().partition(MARK)
    assert mark, f"{PAGE.name} has no line {MARK!r}"
    return f"{prose}{mark}{rendered()}"


def _phase(phase: Phase) -> Iterator[str]:
    table = {(cell.kind, cell.behind): cell.expected for cell in cells() if cell.phase == phase}
    yield ""
    yield f"### It breaks {phase}"
    yield ""
    yield f"| what breaks | {' | '.join(BEHIND)} |"
    yield "|---" * (len(BEHIND) + 1) + "|"
    for kind, name in (TRANSFERS | REPLIES).items():
        outcomes = [table[kind, behind] for behind in BEHIND if (kind, behind) in table]
        if outcomes:
            after_a_reset = kind in REPLIES and OFFSETS[phase]
            yield f"| {'a reset, then ' if after_a_reset else ''}{name} | {' | '.join(outcomes)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
