"""Going on with another body at the exact next byte: the cursor, and the proof that it is the same recording.

Phone recordings never change once they are written, so a transfer can be mended where it broke. When, how often and
from which source that is tried is decided in ``stream``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..errors import DifferentRecording, SourceUnavailable
from .byte_range import RangeRequest
from .pace import PacedBody
from .source import ContentInfo, OpenedRecording, RecordingSource

TAIL = 65536  # bytes handed out last that are compared with another source's
HEAD = 4096  # bytes at the recording's start that are compared too: where formats keep what tells files apart


class Cursor:
    """Where a stream stands, in absolute positions, and the bytes that prove it.

    Attributes:
        start: position of the first byte that was promised.
        stop: position after the last one; None where the length is not known.
        position: position of the next byte to hand out.
    """

    __slots__ = ("_recent", "_recent_size", "head", "position", "start", "stop")

    def __init__(self, start: int, stop: int | None) -> None:
        self.start = self.position = start
        self.stop = stop
        self.head = b""
        self._recent: deque[bytes] = deque()
        self._recent_size = 0

    @property
    def delivered(self) -> int:
        """Bytes handed out."""
        return self.position - self.start

    @property
    def remaining(self) -> int | None:
        """Bytes still to be handed out; None where that is not known."""
        return None if self.stop is None else self.stop - self.position

    def advance(self, chunk: bytes) -> None:
        """Count and remember a chunk that is handed out."""
        if self.position < HEAD and self.start == 0:
            self.head += chunk[: HEAD - self.position]
        self.position += len(chunk)
        # Whole chunks are kept, not copied: what is remembered costs nothing that could be measured.
        self._recent.append(chunk)
        self._recent_size += len(chunk)
        while self._recent_size - len(self._recent[0]) >= TAIL:
            self._recent_size -= len(self._recent.popleft())

    def tail(self) -> bytes:
        """The last bytes that were handed out, at most :data:`TAIL`."""
        return b"".join(self._recent)[-TAIL:]


def continue_from(
    source: RecordingSource,
    key: str,
    cursor: Cursor,
    length: int,
    known: ContentInfo | None,
    pace: Callable[[OpenedRecording], PacedBody],
) -> tuple[OpenedRecording, PacedBody]:
    """Open a source at the cursor, and prove that it has the recording that the stream began with.

    Args:
        source: whom to ask.
        key: the storage key.
        cursor: where to go on.
        length: the whole recording's, as promised.
        known: what this source told of the recording when it served this stream before; None where it has not.
        pace: guards the reading of a new body.

    Returns:
        The recording, and its body, which stands at the cursor.

    Raises:
        DifferentRecording: its length or its validator is another, or bytes differ where they can be compared.
        RecordingMissing, SourceUnavailable, RangeNotSatisfiable: the source's own.
    """
    etag = known.strong_etag if known else None
    # A strong validator of the same source proves all bytes at once (RFC 9110 §8.8.1); else bytes are compared.
    overlap = b"" if etag else cursor.tail()
    start = cursor.position - len(overlap)
    head_etag = None
    if not etag and cursor.start == 0 and start > 0:
        head_etag = _compare_head(source, key, cursor.head, length, pace)
    stop = length if cursor.stop is None else cursor.stop
    opened = source.open(key, RangeRequest(start, stop - 1))
    try:
        _require(opened.info, length, etag or head_etag)
        body = pace(opened)
        body.skip(start - (opened.span.start if opened.span else 0))
        body.expect(overlap)
    except BaseException:
        opened.body.close()
        raise
    return opened, body


def _compare_head(
    source: RecordingSource, key: str, head: bytes, length: int, pace: Callable[[OpenedRecording], PacedBody]
) -> str | None:
    """Compare the recording's first bytes; returns the strong validator of the reply, which the next one must have."""
    opened = source.open(key, RangeRequest(0, len(head) - 1))
    try:
        _require(opened.info, length, None)
        pace(opened).expect(head)
    finally:
        opened.body.close()
    return opened.info.strong_etag


def _require(info: ContentInfo, length: int, etag: str | None) -> None:
    if info.length is None:  # proves nothing, and nothing against it: the source may be asked again
        raise SourceUnavailable("the reply tells no total length")
    if info.length != length:
        raise DifferentRecording("another total length")
    if etag is not None and info.strong_etag != etag:
        raise DifferentRecording("another validator")
