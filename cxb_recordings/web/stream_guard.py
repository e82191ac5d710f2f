"""Closes the streams of a request whose reply does not reach the WSGI server, whatever stopped it.

A hook of the host that raises or replaces the reply, a session store that is down, a teardown that raises, a decorator
that drops what the view returned: none of them closes a stream. This is the last place that sees them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ..playback.stream import RecordingStream

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# In the WSGI environment: the streams that the request has opened, weakly; and what began the reply.
_STREAMS = "cxb_recordings.streams"
START_RESPONSE = "cxb_recordings.start_response"


def guard(environ: WSGIEnvironment, stream: RecordingStream) -> None:
    """Close `stream` with its request, unless the reply carries it."""
    streams = environ.get(_STREAMS)
    if streams is not None:  # else the host calls the view without its app's `wsgi_app`, and drops the stream itself
        streams.add(stream)


class StreamGuard:
    """A WSGI middleware around an app's ``wsgi_app``.

    The references are weak: a stream that nothing refers to any more has closed itself. One that is left, and is not
    itself the body that the server gets, may be wrapped in that body (a hook that counts or compresses) or be kept by
    the traceback of an exception. It is closed at once where the status is no success, else at the body's end.
    """

    def __init__(self, wsgi_app: WSGIApplication) -> None:
        """Guard the streams of an app's requests."""
        self._wsgi_app = wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333)."""
        streams: WeakSet[RecordingStream] = WeakSet()
        environ[_STREAMS], environ[START_RESPONSE] = streams, start_response
        status = ""

        def start(line: str, *rest: Any, **named: Any) -> Any:
            nonlocal status
            status = line
            return start_response(line, *rest, **named)

        try:
            body = self._wsgi_app(environ, start)
        except BaseException:
            _close(streams)
            raise
        others = [stream for stream in streams if stream is not body]
        if status and not others:
            return body
        if status and not status.startswith("2"):
            _close(others)
            return body
        return _GuardedBody(body, streams)  # without a status the app begins when its body is iterated


class _GuardedBody:
    """A body, at whose end, however it comes, streams are closed."""

    def __init__(self, body: Iterable[bytes], streams: Iterable[RecordingStream]) -> None:
        self._body = body
        self._streams = streams

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        finally:
            _close(self._streams)

    def close(self) -> None:
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            _close(self._streams)

    def __del__(self) -> None:
        _close(self._streams)


def _close(streams: Iterable[RecordingStream]) -> None:
    for stream in list(streams):
        stream.close()
