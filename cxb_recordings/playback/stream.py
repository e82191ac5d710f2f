"""The body that a client receives: chunks out of an open recording, exactly as many bytes as were promised.

It knows no HTTP, no store and no web framework. Which recording it reads, and from where, was decided before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import RecordingError, StreamBroken
from .byte_range import ByteSpan
from .source import OpenedRecording

BASE_CHUNK_SIZE = 8192  # the first byte comes soon; measured, only bigger chunks carry a fast transfer cheaply


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """How a stream ended.

    Attributes:
        delivered: bytes handed to the server.
        complete: whether these were all that had been promised.
        error: why it broke; None where it did not (a client that left is no error).
    """

    delivered: int
    complete: bool
    error: RecordingError | None


class RecordingStream:
    """An iterable of chunks with a ``close()`` that frees the upstream on every exit.

    A generator alone would not do: its ``finally`` never runs when iteration never began (a client that is gone before
    the first byte), while WSGI servers call ``close()`` in any case (PEP 3333).
    """

    def __init__(
        self,
        opened: OpenedRecording,
        span: ByteSpan | None,
        *,
        max_chunk_size: int,
        on_end: Callable[[StreamEnd], None],
    ) -> None:
        """Hand out `span` of an opened recording.

        Args:
            opened: the recording; from now on closed by this stream.
            span: the part to hand out; None for all of it. It lies within what `opened` carries.
            max_chunk_size: ceiling of a chunk, in bytes.
            on_end: called once when the stream is closed.
        """
        self._opened = opened
        carried = opened.span.start if opened.span else 0
        self._to_skip = span.start - carried if span else 0
        self._promised = span.length if span else opened.info.length
        self._max_chunk_size = max_chunk_size
        self._on_end = on_end
        self._delivered = 0
        self._finished = False
        self._error: RecordingError | None = None
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes, in chunks that grow while what is asked for is there at once.

        Raises:
            StreamBroken: the source failed, or ended before all promised bytes were there. Raising is what makes a
                server cut the connection; a quiet end would pass for a complete recording.
        """
        try:
            yield from self._chunks()
        except RecordingError as exc:
            self._error = exc
            raise StreamBroken("the recording's source broke off in the middle") from exc
        finally:
            self.close()

    def _chunks(self) -> Iterator[bytes]:
        read = self._opened.body.read
        self._skip()
        size, promised = BASE_CHUNK_SIZE, self._promised
        while promised is None or self._delivered < promised:
            # Never more than promised: what follows would be taken for the next response.
            asked = size if promised is None else min(size, promised - self._delivered)
            chunk = read(asked)
            if not chunk:
                if promised is None:
                    break
                raise StreamBroken(f"the source ended {promised - self._delivered} bytes early")
            self._delivered += len(chunk)
            yield chunk
            if len(chunk) == size < self._max_chunk_size:
                size = min(size * 2, self._max_chunk_size)
        self._finished = True

    def _skip(self) -> None:
        """Pass over what stands before the span, where the source sent the whole recording to a ranged request."""
        while self._to_skip:
            passed = len(self._opened.body.read(min(self._to_skip, self._max_chunk_size)))
            if not passed:
                raise StreamBroken("the source ended before the range began")
            self._to_skip -= passed

    def close(self) -> None:
        """Free the upstream; called by the server on every exit, harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        self._opened.body.close()
        self._on_end(StreamEnd(self._delivered, self._finished, self._error))
