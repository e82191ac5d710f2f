"""One byte range: as a client asks for it, and within a recording of known length.

Werkzeug's Range parser is not used: measured on 3.1.9, it drops ``bytes=-0`` (which is unsatisfiable, not malformed)
and positions of thousands of digits (which are merely large).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# What stores and servers can parse, and add one to (rclone's server does). Larger positions also mean "beyond the end".
LARGEST_POSITION = 2**63 - 2
_SINGLE_RANGE = re.compile(r"bytes=[ \t,]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t,]*", re.ASCII | re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes[ \t]+(?:([0-9]{1,19})-([0-9]{1,19})|\*)/([0-9]{1,19}|\*)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteSpan:
    """A part of a recording: never empty.

    Attributes:
        start: position of the first byte.
        stop: position after the last byte.
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"no bytes are in [{self.start}, {self.stop})")

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return self.stop - self.start

    def content_range(self, total: int) -> str:
        """The Content-Range of a 206 that carries this part of `total` bytes (RFC 9110 §14.4)."""
        return f"bytes {self.start}-{self.stop - 1}/{total}"


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """One range that was asked for, not yet held against a length (RFC 9110 §14.1.2).

    Attributes:
        first: position of the first byte; None for a suffix.
        last: position of the last byte, inclusive; None for "to the end". Of a suffix: how many bytes, 0 included.
    """

    first: int | None
    last: int | None

    @classmethod
    def parse(cls, header: str | None) -> RangeRequest | None:
        """Read a Range header; None where the header must be ignored (RFC 9110 §14.2).

        Ignored are a malformed range, an unknown unit, and several ranges: serving those is an amplification attack
        (CVE-2026-33658 in Active Storage's proxy, CVE-2025-62727 in Starlette).
        """
        match = _SINGLE_RANGE.fullmatch(header) if header else None
        if match is None:
            return None
        first, last, suffix = match.groups()
        if suffix is not None:
            return cls(None, _position(suffix))
        if last and _magnitude(last) < _magnitude(first):
            return None  # §14.1.1: an int-range whose last-pos is less than its first-pos is invalid
        return cls(_position(first), _position(last) if last else None)

    @classmethod
    def of(cls, span: ByteSpan) -> RangeRequest:
        """The request for exactly `span`."""
        return cls(span.start, span.stop - 1)

    def resolve(self, length: int) -> ByteSpan | None:
        """The part of a recording of `length` bytes that is meant; None where it is unsatisfiable."""
        if self.first is None:
            start, stop = max(length - (self.last or 0), 0), length
        else:
            start, stop = self.first, length if self.last is None else min(self.last + 1, length)
        return ByteSpan(start, stop) if start < stop else None

    def __str__(self) -> str:
        """The value of a Range header."""
        first = "" if self.first is None else self.first
        last = "" if self.last is None else self.last
        return f"bytes={first}-{last}"


def parse_content_range(header: str | None) -> tuple[ByteSpan | None, int | None] | None:
    """Read a Content-Range header (RFC 9110 §14.4).

    Returns:
        The part (None for the ``*`` of a 416) and the total length (None for ``*``); None for a header that is absent,
        malformed or contradicts itself.
    """
    match = _CONTENT_RANGE.fullmatch(header.strip()) if header else None
    if match is None:
        return None
    first, last, total_text = match.groups()
    total = None if total_text == "*" else int(total_text)
    if first is None:
        return None, total
    start, stop = int(first), int(last) + 1
    if start >= stop or (total is not None and stop > total):
        return None
    return ByteSpan(start, stop), total


def _magnitude(digits: str) -> tuple[int, str]:
    """Orders numbers of any length: int() refuses more than 4,300 digits (CVE-2020-10735), and clamping hides order."""
    significant = digits.lstrip("0")
    return len(significant), significant


def _position(digits: str) -> int:
    count, significant = _magnitude(digits)
    # 19 digits are as many as LARGEST_POSITION has.
    return LARGEST_POSITION if count > 19 else min(int(significant or "0"), LARGEST_POSITION)
