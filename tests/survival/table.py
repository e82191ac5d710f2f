"""The table of breaks: what breaks, when, which source is next, and what a listener must get, by docs/survival.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from tests.servers.conversation import Fault, Kind

from .playing import Outcome

LENGTH = 200_000

Phase = Literal["before the headers", "before the first byte", "in the middle", "one byte before the end"]
Behind = Literal[
    "nothing",
    "the same source, healthy again",
    "another source, same bytes",
    "another source, other bytes of equal length",
    "another source, other length",
]
PHASES: tuple[Phase, ...] = get_args(Phase)
BEHIND: tuple[Behind, ...] = get_args(Behind)
OFFSETS: dict[Phase, int | None] = {
    "before the headers": None,
    "before the first byte": 0,
    "in the middle": LENGTH // 2,
    "one byte before the end": LENGTH - 1,
}
TRANSFERS: dict[Kind, str] = {
    "reset": "the connection is reset",
    "fin": "it ends early",
    "stall": "it stalls",
    "trickle": "it trickles",
    "dies": "the process dies (connections are refused)",
}
REPLIES: dict[Kind, str] = {
    "500": "status 500",
    "503": "status 503",
    "403": "status 403",
    "404": "status 404",
    "garbage": "garbage instead of HTTP",
    "cut head": "a response whose head is cut off",
    "wrong Content-Range": "a wrong Content-Range",
    "ignores Range": "200 to a ranged request",
    "200 with Content-Range": "200 with the part and its Content-Range",
    "no total": "a Content-Range without a total",
    "more bytes": "more bytes than promised",
    "negative chunk": "a chunk of negative size",
    "page": "a web page",
    "defective head": "a head with a line that is no header",
    "changed": "a changed validator",
    "other length": "another total length",
}
_FINAL = ("403", "404", "changed", "other length")
_HARMLESS = ("ignores Range", "200 with Content-Range", "no total", "more bytes")
_ASKED_AGAIN = (
    *("reset", "fin", "garbage", "cut head", "500", "503"),
    *("negative chunk", "page", "defective head"),  # the page to a range, after which the whole is asked for
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A break at a moment, and the source that is asked next."""

    kind: Kind
    phase: Phase
    behind: Behind

    def faults(self) -> tuple[list[Fault], Fault]:
        """The faults of the breaking source, one for each request; and what it does when it is not healed."""
        offset = OFFSETS[self.phase]
        if self.kind in TRANSFERS:
            return [Fault(self.kind, offset)], Fault(self.kind, None if offset is None else 0)
        if offset is None:
            return [Fault(self.kind)], Fault(self.kind)
        return [Fault("reset", offset), Fault(self.kind)], Fault(self.kind)

    @property
    def expected(self) -> Outcome:
        """What a listener is to get."""
        if OFFSETS[self.phase]:
            return self._after_the_first_byte()
        if self.kind in _HARMLESS:
            return "whole"
        if self.behind == "another source, same bytes":
            return "whole"
        if self.behind.startswith("another source"):
            return "whole, of the other"  # nothing had been promised yet
        again = self.behind == "the same source, healthy again"
        # What may pass is asked again, after all others; a connection that is refused is not.
        is_asked_again = self.phase == "before the first byte" or self.kind in _ASKED_AGAIN
        return "whole" if again and is_asked_again else "404"

    def _after_the_first_byte(self) -> Outcome:
        last_byte_comes = self.kind == "trickle" and self.phase == "one byte before the end"
        if self.kind in _HARMLESS or last_byte_comes or self.behind == "another source, same bytes":
            return "whole"
        if self.behind == "the same source, healthy again" and self.kind not in _FINAL:
            return "whole"
        return "cut"


def cells() -> Iterator[Cell]:
    """Every cell that makes sense."""
    for phase in PHASES:
        for kind in (*TRANSFERS, *REPLIES):
            # A head that trickles is no break: it arrives. What differs from the beginning has not changed.
            never_first = kind in ("trickle", "changed", "other length")
            if phase == "before the headers" and never_first:
                continue
            if phase == "before the first byte" and kind in REPLIES:  # the next request would be another source's
                continue
            for behind in BEHIND:
                yield Cell(kind, phase, behind)
