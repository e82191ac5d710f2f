"""The least pace of a transfer: less than 8 KB within `read_timeout` counts as stalled.

A socket's own timeout never notices a source that sends one byte now and then. Only the time spent reading counts: a
listener who pauses does not make the source slow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import DifferentRecording, RecordingError, SourceUnavailable
from .source import RecordingBody

FLOOR = 8192  # bytes within `read_timeout`: half the pace of a telephone's 8 kHz, 8 bit, at the default of 10 s
OUT_OF_TIME = "out of time"

Clock = Callable[[], float]  # monotonic seconds
Sleep = Callable[[float], None]  # waits for some seconds


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, and until when, a source must send.

    Attributes:
        read_timeout: seconds of reading within which :data:`FLOOR` bytes, or the rest, must come.
        clock: monotonic seconds.
        deadline: on `clock`, after which no read and no further request begins.
    """

    read_timeout: float
    clock: Clock
    deadline: float

    def guard(self, body: RecordingBody) -> PacedBody:
        """The body, from now on read through this object only."""
        return PacedBody(body, self.read_timeout, self.clock, self.deadline)

    def require_time(self) -> None:
        """Raise SourceUnavailable where it is too late for a further request."""
        if self.clock() >= self.deadline:
            raise SourceUnavailable(OUT_OF_TIME)


class PacedBody:
    """A body whose reads raise when it stalls, or when a deadline has passed."""

    __slots__ = ("_body", "_bytes", "_clock", "_read_timeout", "_seconds", "deadline")

    def __init__(self, body: RecordingBody, read_timeout: float, clock: Clock, deadline: float | None = None) -> None:
        """Guard `body`.

        Args:
            body: from now on read through this object only.
            read_timeout: seconds of reading within which :data:`FLOOR` bytes, or the rest, must come.
            clock: monotonic seconds.
            deadline: on `clock`, after which no read begins; None where time does not matter (any more).
        """
        self._body = body
        self._read_timeout = read_timeout
        self._clock = clock
        self.deadline = deadline
        self._seconds = 0.0
        self._bytes = 0

    def read(self, size: int) -> bytes:
        """See :meth:`cxb_recordings.playback.source.RecordingBody.read`."""
        started = self._clock()
        if self.deadline is not None and started >= self.deadline:
            raise SourceUnavailable(OUT_OF_TIME)
        try:
            chunk = self._body.read(size)
        except RecordingError:
            raise
        except Exception as exc:  # whatever a source raises is that source's failure; the text may hold a URL
            raise SourceUnavailable(f"the transfer broke ({type(exc).__name__})") from exc
        self._bytes += len(chunk)
        if self._bytes >= FLOOR:
            self._bytes, self._seconds = 0, 0.0
            return chunk
        self._seconds += self._clock() - started
        if chunk and self._seconds >= self._read_timeout:
            reason = f"stalled: {self._bytes} bytes in {self._seconds:.1f} s"
            raise SourceUnavailable(reason, is_transient=True)
        return chunk

    def read_first(self, count: int) -> bytes:
        """Return `count` bytes, or all that there are; raises SourceUnavailable where the body broke or stalled."""
        first = b""
        while len(first) < count and (chunk := self.read(count - len(first))):
            first += chunk
        return first

    def skip(self, count: int) -> None:
        """Read `count` bytes and drop them.

        Raises:
            SourceUnavailable: the body broke, stalled or ended before.
        """
        while count:
            passed = len(self.read(min(count, 65536)))
            if not passed:
                raise SourceUnavailable(f"ended {count} bytes before the part that is wanted", is_transient=True)
            count -= passed

    def expect(self, expected: bytes) -> None:
        """Read as many bytes as `expected` has, and compare.

        Raises:
            DifferentRecording: they are others.
            SourceUnavailable: the body broke, stalled or ended before.
        """
        received = self.read_first(len(expected))
        if not expected.startswith(received):
            raise DifferentRecording("other bytes where they were compared")
        if len(received) < len(expected):
            raise SourceUnavailable("ended within the bytes to compare", is_transient=True)

    def close(self) -> None:
        """See :meth:`cxb_recordings.playback.source.RecordingBody.close`."""
        self._body.close()
