"""Going on with another body at the exact next byte: the cursor, and the proof that it is the same recording.

Phone recordings never change once they are written, so a transfer can be continued where it broke. When, how often and
from which source that is tried is decided in ``stream``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from mmap import ACCESS_COPY, mmap

from ..errors import DifferentRecording, SourceUnavailable
from .byte_range import RangeRequest
from .pace import Pace, PacedBody
from .recognition import is_suspect
from .source import ContentInfo, OpenedRecording, RecordingSource

TAIL = 65536  # bytes handed out last that are compared with another source's
HEADER = 4096  # bytes at a recording's start that prove nothing: headers of one format are alike
ENOUGH = 4096  # bytes that must be left to compare without the header and without silence
# Digital silence, as every recording may have it: more than 64 bytes of one sample, which is 1 to 4 bytes long.
_SILENCE = re.compile(rb"(.)\1{64,}|(..)\2{32,}|(...)\3{21,}|(....)\4{16,}", re.DOTALL)
_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Cursor:
    """Where a stream stands, in absolute positions, and the bytes that prove it.

    Attributes:
        start: position of the first byte that was promised.
        stop: position after the last one; None where the length is not known.
        position: position of the next byte to hand out.
    """

    __slots__ = ("_ring", "position", "start", "stop")

    def __init__(self, start: int, stop: int | None) -> None:
        self.start = self.position = start
        self.stop = stop
        self._ring: mmap | bytearray | None = None

    @property
    def delivered(self) -> int:
        """Bytes handed out."""
        return self.position - self.start

    @property
    def remaining(self) -> int | None:
        """Bytes still to be handed out; None where that is not known."""
        return None if self.stop is None else self.stop - self.position

    @property
    def tail(self) -> bytes:
        """The last bytes that were handed out, at most :data:`TAIL`; all of them were remembered."""
        if self._ring is None:
            return b""
        end = self.position % TAIL
        return bytes(self._ring[end:] + self._ring[:end])[-self.delivered :]

    def remember(self, chunk: bytes) -> None:
        """Copy the end of a chunk that was handed out, so that the chunk itself is free."""
        if self._ring is None:
            self._ring = _pages()
        end = memoryview(chunk)[-TAIL:]
        place = (self.position - len(end)) % TAIL
        room = TAIL - place
        self._ring[place : place + len(end)] = end[:room]
        self._ring[: max(len(end) - room, 0)] = end[room:]

    def has_proof(self) -> bool:
        """Whether the remembered bytes tell this recording from others of its length."""
        tail = self.tail
        compared = tail[max(HEADER - (self.position - len(tail)), 0) :]
        return len(_SILENCE.sub(b"", compared)) >= ENOUGH


def _pages() -> mmap | bytearray:
    """Room for the tail: pages of their own, which go back to the system with the stream; in the heap they stay."""
    try:
        return mmap(-1, TAIL, access=ACCESS_COPY)
    except OSError:  # the process has no memory left for mappings, or too many of them
        return bytearray(TAIL)


def continue_from(
    source: RecordingSource,
    key: str,
    cursor: Cursor,
    length: int,
    known: ContentInfo | None,
    etags: Collection[str],
    pace: Pace,
) -> tuple[OpenedRecording, PacedBody]:
    """Open a source at the cursor, and prove that it has the recording that the stream began with.

    Args:
        source: whom to ask.
        key: the storage key.
        cursor: where to go on.
        length: the whole recording's, as promised.
        known: what this source said of the recording when it served this stream before; None where it has not.
        etags: the strong tags of all sources that served this stream.
        pace: how long it may take.

    Returns:
        The recording, and its body; the next read returns the byte at the cursor.

    Raises:
        DifferentRecording: its length or its validator is another, bytes differ, or too few of them prove anything.
        RecordingMissing, SourceUnavailable, RangeNotSatisfiable: the source's own.
    """
    etag = known.strong_etag if known else None
    # A strong validator of the same source proves all bytes at once (RFC 9110 §8.8.1); else bytes are compared.
    overlap = b"" if etag else cursor.tail
    md5s = {tag for tag in etags if _MD5.fullmatch(tag)}
    has_proof = bool(etag) or cursor.has_proof()
    if not has_proof and not md5s:
        raise DifferentRecording("too few bytes were handed out, or only silence, to prove that it is the same")
    start = cursor.position - len(overlap)
    stop = length if cursor.stop is None else cursor.stop
    opened = source.open(key, RangeRequest(start, stop - 1))
    try:
        _require(opened.info, length, etag)
        if not has_proof and opened.info.strong_etag not in md5s:
            raise DifferentRecording("no equal MD5 tag, and too few bytes to compare")
        body = pace.guard(opened.body)
        body.skip(start - (opened.span.start if opened.span else 0))
        body.expect(overlap)
    except BaseException:
        opened.body.close()
        raise
    return opened, body


def _require(info: ContentInfo, length: int, etag: str | None) -> None:
    if info.length is None:  # proves nothing, and nothing against it: the source may be asked again
        raise SourceUnavailable("the reply tells no total length")
    if info.length != length:
        if is_suspect(info.media_type):  # of a proxy that is in trouble, perhaps: the source may be asked again
            raise SourceUnavailable("a page in place of the recording")
        raise DifferentRecording("another total length")
    if etag is not None and info.strong_etag != etag:
        raise DifferentRecording("another validator")
