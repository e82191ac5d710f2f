"""The pictures of the docs: small, and each of them shown. ``python -m tests.clients.screenshots`` takes them."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
MOST_BYTES = 150_000


def test_every_picture_of_the_example_is_small_and_shown_with_words_for_it() -> None:
    command = (PROJECT / "tests" / "clients" / "screenshots.py").read_text()
    names = set(re.findall(r'^    "([\w-]+)": \(', command, re.MULTILINE))
    page = (PROJECT / "docs" / "example.md").read_text()

    assert names == set(re.findall(r"!\[[^\]]{10,}\]\(pictures/([\w-]+)\.png\)", page))
    for name in names:
        assert (PROJECT / "docs" / "pictures" / f"{name}.png").stat().st_size < MOST_BYTES, name
