"""Each cell of the table of breaks, from storage and from a fleet host, with and without a validator."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from cxb_recordings.playback.splice import TAIL
from tests.servers.conversation import Fault, Validator, changed
from tests.servers.origin import Origin

from .playing import KEY, Outcome, Player, judge, system_settings
from .render import PAGE, page
from .table import LENGTH, Cell, cells

DATA = random.Random(1).randbytes(LENGTH)
OTHERS = {
    "another source, same bytes": DATA,
    "another source, other bytes of equal length": changed(DATA),
    "another source, other length": changed(DATA) + b"\x00",
}


def outcome(player: Player, cell: Cell, kind: str, validator: Validator) -> Outcome:
    script, standing = cell.faults()
    heals = cell.behind == "the same source, healthy again"
    source = Origin({KEY: DATA}, script, None if heals else standing, validator=validator)
    other = OTHERS.get(cell.behind)
    behind = [Origin({KEY: other}, validator=validator)] if other else []
    settings = system_settings(source, behind) if kind == "storage" else system_settings(None, [source, *behind])
    # From byte 100 on where a break needs a range to be seen at the first opening.
    start = 100 if cell.phase == "before the headers" else 0
    try:
        heard = player.play(
            settings,
            f"bytes={start}-" if start else None,
            while_waiting=source.listen if heals else lambda: None,
        )
        return judge(heard, DATA[start:], other and other[start:])
    finally:
        for origin in [source, *behind]:
            origin.stop()


@pytest.mark.parametrize("validator", ["strong", "none"])
@pytest.mark.parametrize("kind", ["storage", "fleet host"])
def test_every_break_ends_as_the_table_says(kind: str, validator: Validator) -> None:
    player = Player()
    table = list(cells())

    with ThreadPoolExecutor(24) as threads:
        outcomes = list(threads.map(lambda cell: outcome(player, cell, kind, validator), table))
    for number, cell in enumerate(table):
        if outcomes[number] not in (cell.expected, "silently wrong"):
            # On a busy machine a healthy source may stall, which is a break too: once more, and alone.
            outcomes[number] = outcome(player, cell, kind, validator)

    wrong = [
        f"{cell.kind} {cell.phase}, behind it {cell.behind}: {seen} instead of {cell.expected}"
        for cell, seen in zip(table, outcomes, strict=True)
        if seen != cell.expected
    ]
    assert wrong == [], "\n".join(wrong)
    assert len(table) > 200


@pytest.mark.parametrize("differs_at", [LENGTH // 8, LENGTH * 3 // 4])
def test_what_remains_is_another_file_of_equal_length_that_agrees_in_all_compared_bytes(differs_at: int) -> None:
    other = bytearray(DATA)
    other[differs_at] ^= 1  # before the compared 64 KB, or after the break
    source = Origin({KEY: DATA}, [Fault("dies", LENGTH // 2)])
    behind = Origin({KEY: bytes(other)})
    try:
        heard = Player().play(system_settings(None, [source, behind]))
    finally:
        source.stop()
        behind.stop()

    if differs_at < LENGTH // 2 - TAIL:
        assert judge(heard, DATA) == "whole", "the part that differs had been handed out already"
    else:
        assert heard.data == bytes(other), "docs/survival.md names this risk; where it is gone, the page changes"


def test_the_page_has_the_table_of_breaks_as_it_is_run() -> None:
    assert PAGE.read_text() == page(), "run python -m tests.survival.render"
