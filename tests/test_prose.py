"""The check of the project's English finds what readers named as the worst, and nothing in the project."""

from __future__ import annotations

import pytest

from .prose import faults, main

WORST = [
    "the wheel that `python -m build` makes of it",
    "The cooldown puts it at the end of the line",
    "before the first listener comes what is done once",
    "a recording that lies nowhere is a 404",
    "the token opens nothing from `when` on",
    "When it shall end",
    "absent as long as it always could",
    "refused nginx: it comes back",
    "spares it the way through what is done",
    "here, a forge only their names",
    "Those with which the list was run",
    "it is nowhere else looked for",
    "absence is hidden, or all of the bucket is closed",
    "What everybody else is answered stands in Supported HTTP",
    "whoever has the link",
    "one that stands\nbehind",
    "so that events tell\n    of it",
    "def test_a_name_opens_nothing() -> None",
]


@pytest.mark.parametrize("sentence", WORST)
def test_a_turn_that_readers_stumbled_over_is_found(sentence: str) -> None:
    assert next(iter(faults(f"A first line.\n{sentence}.")))[0] == 2


@pytest.mark.parametrize(
    "sentence", ["It understands both.", "a standing order", "a liege", "Whole recordings", "two lines"]
)
def test_plain_words_are_not(sentence: str) -> None:
    assert list(faults(sentence)) == []


def test_the_project_has_none_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out
