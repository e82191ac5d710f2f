"""Turns of phrase that readers stumbled over, with the plain words for each: ``python -m tests.prose`` looks for them.

CI runs it with the lint step. It reads the pages, and all text of the programs and their tests: docstrings, comments,
log lines, command line, and the names of tests, which are sentences.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]

BANNED = {
    r"shall": "must, should, or the present tense",
    r"stands? (?:in|on|at|as|there|here|above|below|before|behind|beside|between|for itself)": "is in, is at",
    r"(?:lies|lie) (?:in|on|at|there|here|above|below|behind|beside|between|within|outside|under|deeper|near)": "is in",
    r"nowhere": "not in any, no",
    r"whoever": "anyone who, a client that; or name who it is",
    r"all the same": "still, anyway",
    r"(?:is|are) heard": "is read, is used",
    r"(?:is|are|was|were|be) told of": "reports, is logged",
    r"(?:tells?|told) of (?!two|the two)": "reports, says",
    r"unless told": "by default",
    r"(?:is|are) nothing for": "do not use for",
    r"those (?:with|by|of) which": "name them",
    r"spares? (?:it|them|you)": "skips, avoids",
    r"the way through": "skips",
    r"makes? of (?:it|them)": "builds from it",
    r"opens nothing": "expires, answers 404",
    r"at the end of the line": "is asked last",
    r"comes what is done": "imperative: call x()",
    r"a forge only": "a forge shows only",
    r"absence is hidden": "the key may not list",
    r"as long as it (?:always )?could": "until",
    r"(?:it|that) comes back": "name what is sent back, and to whom",
    r"looked for nowhere|nowhere else": "only there",
    r"for good reasons?": "say the reason",
    r"asked of nobody": "no source is asked",
    r"(?:is|are|was|were) to be": "must be, will be",
    r"(?:can't|could not) be had": "is not available",
    r"when they do": "name the moment",
    r"of which only": "only",
    r"mind that": "state the fact",
}
# A turn may be broken over two lines, also of comments.
_BANNED = [(re.compile(rf"\b{turn}\b".replace(" ", r"[\s#]+"), re.IGNORECASE), plain) for turn, plain in BANNED.items()]
_TEXTS = [
    "*.md",
    "docs/*.md",
    "cxb_recordings/**/*.py",
    "examples/**/*.py",
    "examples/templates/**/*.html",
    "benchmarks/**/*.py",
    "tests/**/*.py",
    "noxfile.py",
    "setup.py",
]
_QUOTES_THEM = ("tests/prose.py", "tests/test_prose.py")


def faults(text: str) -> Iterator[tuple[int, str, str]]:
    """Each banned turn in a text: line, what it says, and the plain words."""
    text = re.sub(r"\btest_\w+", lambda name: name[0].replace("_", " "), text)
    for pattern, plain in _BANNED:
        for found in pattern.finditer(text):
            yield text.count("\n", 0, found.start()) + 1, found[0], plain


def main() -> int:
    """Print every banned turn; 1 where there is any."""
    lines = [
        f"{path.relative_to(PROJECT)}:{line}: {found!r}: {plain}"
        for glob in _TEXTS
        for path in sorted(PROJECT.glob(glob))
        if path.relative_to(PROJECT).as_posix() not in _QUOTES_THEM
        for line, found, plain in faults(path.read_text())
    ]
    print("\n".join(lines) or "plain English")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
