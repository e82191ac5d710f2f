"""The body that a client receives: exactly the bytes that were promised, from whichever source has them.

A break is mended where it happened: from the same source, else from the next, in bounds of attempts and time. What
can't be mended raises, which makes the server cut the connection: a quiet end would pass for a complete recording.
It knows no HTTP, no store and no web framework.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import RangeNotSatisfiable, RecordingError, RecordingMissing, SourceUnavailable, StreamBroken
from ..slots import Place
from .chunk_size import BASE_CHUNK_SIZE, ChunkSize
from .conditions import Decision
from .events import Listener, RecordingServed, RecordingStarted, SourceFailed, StreamResumed, Tell
from .pace import Clock, Pace, PacedBody, Sleep
from .recognition import FIRST_BYTES, is_suspect, may_begin_a_page, require_recording
from .source import ContentInfo, OpenedRecording, RecordingSource, request_id_of
from .splice import Cursor, continue_from

PROGRESS = 65536  # bytes after which attempts and time start anew
FIRST_PAUSE = 0.25  # seconds before the second pass along the sources; doubles with each: 8 attempts wait 32 s


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How a stream behaves.

    Attributes:
        max_chunk_size: ceiling of a chunk, in bytes.
        read_timeout: seconds within which 8 KB, or the rest, must come.
        resume_attempts: tries to go on without 64 KB of progress; each is one pass along the sources.
        resume_timeout: seconds for them all, reading included; time in which the client does not read never counts.
    """

    max_chunk_size: int
    read_timeout: float
    resume_attempts: int
    resume_timeout: float


class RecordingStream:
    """An iterable of chunks with a ``close()`` that frees the upstream on every exit.

    A generator alone would not do: its ``finally`` never runs when iteration never began (a client that is gone before
    the first byte), while WSGI servers call ``close()`` in any case (PEP 3333). One that is dropped closes itself.
    """

    _closed = True  # until there is something to close

    def __init__(
        self,
        opened: OpenedRecording,
        decision: Decision,
        key: str,
        sources: Sequence[RecordingSource],
        in_order: Callable[[Sequence[RecordingSource]], Iterable[RecordingSource]],
        limits: StreamLimits,
        *,
        listener: Listener,
        tell: Tell,
        clock: Clock,
        sleep: Sleep,
    ) -> None:
        """Hand out what was decided of an opened recording.

        Args:
            opened: the recording; from now on closed by this stream.
            decision: status and span; the span is within what `opened` carries, None is all of it.
            key: the storage key.
            sources: all that may have the recording, the present one among them.
            in_order: puts sources into the order of the moment: those that are down come last.
            limits: chunk size and bounds.
            listener: who asked.
            tell: called with each event; the last one, once, is :class:`~.events.RecordingServed`.
            clock: monotonic seconds.
            sleep: waits for some seconds.
        """
        self._opened = opened
        self._decision, span = decision, decision.span
        self._key = key
        self._sources = sources
        self._in_order = in_order
        self._limits = limits
        self._listener = listener
        self._tell = tell
        self._clock = clock
        self._sleep = sleep
        self._length = opened.info.length
        self._cursor = Cursor(span.start, span.stop) if span else Cursor(0, self._length)
        self._body = PacedBody(opened.body, limits.read_timeout, clock)
        self._chunk_size = ChunkSize(limits.max_chunk_size)
        self._first = b""
        self._suspended = 0.0  # seconds in which the client did not read
        self._mending: _Mending | None = None
        self._known: dict[str, ContentInfo] = {opened.source.name: opened.info}
        # Where no other source may carry on, a strong validator proves all bytes.
        others = any(source.name != opened.source.name for source in sources)
        self._may_compare = others or opened.info.strong_etag is None
        self._refused: set[str] = set()
        self._resumes = 0
        self._error: str | None = None  # not the exception: its traceback refers to this stream
        self._finished = False
        self._place: Place | None = None
        self._asked_at, self._first_byte_seconds = clock(), 0.0
        self._closed = False

    def owns(self, place: Place) -> None:
        """Free a place when this stream is closed, whatever else happens then."""
        self._place = place

    def start(self, asked_at: float, timeout: float) -> None:
        """Read the first 8 KB, or all, so that a source that fails before them can still be passed over.

        What else has arrived is taken with them, up to the largest chunk, but for the last 8 KB. A stream that can't
        start is closed, without an event.

        Args:
            asked_at: when the request arrived, on the stream's clock.
            timeout: seconds from then within which they must come.

        Raises:
            NotARecording: they are those of a web page or a playlist.
            SourceUnavailable: the source failed, or the time is over.
        """
        self._asked_at = asked_at
        self._body.deadline = asked_at + timeout
        try:
            self._read_first()
        except BaseException:
            self._release()
            raise
        self._body.deadline = None
        self._first_byte_seconds = self._clock() - asked_at
        self._tell(RecordingStarted(self._listener, self._opened.source.name, self._decision.status))

    def _read_first(self) -> None:
        remaining = self._cursor.remaining
        needed, most = BASE_CHUNK_SIZE, self._limits.max_chunk_size
        if remaining is not None:
            needed = min(needed, remaining)
            # The end is left for later: chunks prove it by what follows, and a break there is mended only in a stream.
            most = min(most, max(needed, remaining - BASE_CHUNK_SIZE))
        begins_at = self._opened.span.start if self._opened.span else 0
        gap = self._cursor.start - begins_at
        skipped = self._body.read_first(min(gap, FIRST_BYTES))
        self._body.skip(gap - len(skipped))
        try:
            while len(self._first) < needed and (chunk := self._body.read(most - len(self._first))):
                if not self._first:
                    self._chunk_size.received(len(chunk))
                self._first += chunk
        except SourceUnavailable:
            if begins_at == 0:  # of a short page without a length the end is a break, but it is no recording first
                require_recording((skipped + self._first)[:FIRST_BYTES], None)
            raise
        if remaining is not None and len(self._first) < needed:
            raise SourceUnavailable(f"ended {remaining - len(self._first)} bytes early", is_transient=True)
        if begins_at == 0:
            self._require_recording(skipped + self._first[:FIRST_BYTES])

    def _require_recording(self, seen: bytes) -> None:
        """Look at what the body begins with: `seen`, and what is behind a promised part that is shorter than needed."""
        span, media_type = self._opened.span, self._opened.info.media_type
        carried = span.length if span else FIRST_BYTES if self._length is None else self._length
        lacking = min(FIRST_BYTES, carried) - len(seen)
        if lacking > 0 and (is_suspect(media_type) or may_begin_a_page(seen)):
            seen += self._body.read_first(lacking)
        # A short part proves nothing against a suspect type: then the search has asked for more.
        is_short = len(seen) < min(FIRST_BYTES, self._length or 0)
        require_recording(seen[:FIRST_BYTES], None if is_short else media_type)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes, in chunks that grow while what is asked for is there at once.

        Raises:
            StreamBroken: the recording can't be continued at the exact next byte, or the stream was closed before.
        """
        if self._closed:
            raise StreamBroken("the stream was closed before its first byte was taken")
        try:
            chunk, self._first = self._first or self._mended_chunk(), b""
            while chunk:
                self._cursor.position += len(chunk)
                before = self._clock()
                yield chunk
                seconds = self._clock() - before
                self._suspended += seconds
                self._chunk_size.handed_out(len(chunk), seconds)
                if self._may_compare and self._cursor.remaining:
                    self._cursor.remember(chunk)
                del chunk  # not held while the next one is waited for
                chunk = self._mended_chunk()
            self._finished = True
        except RecordingError as exc:
            self._error = str(exc)
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Free the upstream; called by the server on every exit, harmless when repeated."""
        if self._closed:
            return
        try:
            self._release()
        finally:
            served = RecordingServed(
                self._listener,
                self._opened.source.name,
                self._decision.status,
                self._cursor.delivered,
                self._finished or self._cursor.remaining == 0,  # a server may close without asking for the end
                self._error,
                self._resumes,
                self._decision.span,
                self._first_byte_seconds,
                self._clock() - self._asked_at,
            )
            self._tell(served)

    def _release(self) -> None:
        self._closed = True
        if self._place is not None:
            self._place.free()
        self._body.close()

    def __del__(self) -> None:
        self.close()

    def _mended_chunk(self) -> bytes:
        while True:
            if self._closed:  # by somebody else than who reads: nothing is opened any more
                raise StreamBroken("the stream was closed while it was read")
            try:
                return self._next_chunk()
            except SourceUnavailable as exc:
                self._mend(exc)

    def _next_chunk(self) -> bytes:
        """The next bytes; ``b""`` where all that was promised is out."""
        remaining = self._cursor.remaining
        if remaining == 0:
            return b""
        # Never more than promised: what follows would be taken for the next response.
        size = self._chunk_size.size if remaining is None else min(self._chunk_size.size, remaining)
        chunk = self._body.read(size)
        if not chunk and remaining is not None:
            raise SourceUnavailable(f"ended {remaining} bytes early", is_transient=True)
        self._chunk_size.received(len(chunk))
        return chunk

    def _now(self) -> float:
        return self._clock() - self._suspended

    def _mend(self, reason: SourceUnavailable) -> None:
        """Go on at the cursor, from the same source or another.

        Raises:
            StreamBroken: nothing can, within the bounds.
        """
        source, position = self._opened.source, self._cursor.position
        self._body.close()
        request_id = reason.request_id or request_id_of(self._opened.body)
        self._tell(SourceFailed(self._listener, source.name, position, reason.reason, request_id))
        length = self._length
        if length is None:
            raise StreamBroken("the source broke off, and without a length nothing can carry on") from reason
        mending = self._mending
        if mending is None or position - mending.position >= PROGRESS:
            limits = self._limits
            mending = self._mending = _Mending(position, limits.resume_attempts, self._now() + limits.resume_timeout)
        else:
            mending.failed(source.name)  # it was reopened, and did not get far: the others are tried before it
        while mending.attempts_left and self._now() < mending.deadline:
            mending.attempts_left -= 1
            if self._pass(length, mending):
                return
            if all(other.name in self._refused for other in self._sources):
                break
            pause = min(mending.next_pause(), mending.deadline - self._now())
            if mending.attempts_left and pause > 0:
                self._sleep(pause)
        raise StreamBroken("the source broke off, and nothing could carry on at the next byte") from reason

    def _pass(self, length: int, mending: _Mending) -> bool:
        """Try each source once, the last one first unless it is down or failed before; whether one goes on."""
        last = self._opened.source.name
        line = self._in_order(sorted(self._sources, key=lambda source: source.name != last))
        for source in sorted(line, key=lambda source: mending.failures(source.name)):
            if source.name in self._refused:
                continue
            if self._now() >= mending.deadline:
                return False
            try:
                self._continue_from(source, length, mending)
            except (RecordingMissing, RangeNotSatisfiable) as exc:
                self._refused.add(source.name)
                failure = str(exc), ""
            except SourceUnavailable as exc:
                if exc.is_final:
                    self._refused.add(source.name)
                mending.failed(source.name)
                failure = exc.reason, exc.request_id
            else:
                return True
            self._tell(SourceFailed(self._listener, source.name, self._cursor.position, *failure))
        return False

    def _continue_from(self, source: RecordingSource, length: int, mending: _Mending) -> None:
        pace = Pace(self._limits.read_timeout, self._clock, self._clock() + mending.deadline - self._now())
        known = self._known.get(source.name)
        etags = [info.strong_etag for info in self._known.values() if info.strong_etag]
        self._opened, self._body = continue_from(source, self._key, self._cursor, length, known, etags, pace)
        self._body.deadline = None
        self._known.setdefault(source.name, self._opened.info)
        self._chunk_size.start_again()
        self._resumes += 1
        self._tell(StreamResumed(self._listener, source.name, self._cursor.position))


class _Mending:
    """The bounds of one break and its aftermath, until there is progress."""

    __slots__ = ("_failures", "_pause", "attempts_left", "deadline", "position")

    def __init__(self, position: int, attempts: int, deadline: float) -> None:
        self.position = position
        self.attempts_left = attempts
        self.deadline = deadline
        self._pause = FIRST_PAUSE
        self._failures: dict[str, int] = {}

    def failed(self, source: str) -> None:
        self._failures[source] = self.failures(source) + 1

    def failures(self, source: str) -> int:
        return self._failures.get(source, 0)

    def next_pause(self) -> float:
        pause, self._pause = self._pause, self._pause * 2
        return pause
