"""What happened to a recording request, as blinker signals in the manner of Flask's own.

Each signal is sent by the :class:`~cxb_recordings.service.RecordingService` that it concerns, with one frozen payload
as ``event``. No payload carries a token, a secret or a signed URL. Who counts or stores them is not decided here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from blinker import NamedSignal, Namespace

from .playback.byte_range import ByteSpan

_signals = Namespace()
_logger = logging.getLogger(__name__)

#: A source did not have the recording, or failed, and the next one is asked; payload :class:`SourceSkipped`.
source_skipped = _signals.signal("source-skipped")
#: A request to one of the two routes is answered, by whomever and whatever; payload :class:`RequestAnswered`.
request_answered = _signals.signal("request-answered")
#: A request is answered 404, or 503 for an outage; payload :class:`RecordingNotFound`.
recording_not_found = _signals.signal("recording-not-found")
#: A recording begins to go out (GET with a body only); payload :class:`RecordingStarted`.
recording_started = _signals.signal("recording-started")
#: nginx fetches a recording from storage by itself; payload :class:`RecordingHandedOver`.
recording_handed_over = _signals.signal("recording-handed-over")
#: A source broke in the middle of a stream, or could not carry on; payload :class:`SourceFailed`.
source_failed = _signals.signal("source-failed")
#: A broken stream goes on at the exact next byte; payload :class:`StreamResumed`.
stream_resumed = _signals.signal("stream-resumed")
#: A source that could not be reached is asked last for a while; payload :class:`SourcePutAside`.
source_put_aside = _signals.signal("source-put-aside")
#: A source that had been put aside answers again; payload :class:`SourceBack`.
source_back = _signals.signal("source-back")
#: A recording's body is closed, whole or not; payload :class:`RecordingServed`.
recording_served = _signals.signal("recording-served")
#: All of the above.
EVERY = tuple(_signals.values())


@dataclass(frozen=True, slots=True)
class Listener:
    """Who asked, as far as it is known and may be told.

    Attributes:
        route: ``admin``, ``public``, or ``host`` for a view of the host's own.
        session_id: the call's, where it is known.
        identity: whom the admin route's ``identity`` named; None elsewhere.
        token_fingerprint: of the public link's token; None elsewhere.
    """

    route: str = "host"
    session_id: str | None = None
    identity: object = None
    token_fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class SourceSkipped:
    """Why a source was passed over.

    Attributes:
        listener: who asked.
        source: the source's name.
        reason: what it answered, or how it failed.
        failed: False where it plainly said that it has no such recording.
    """

    listener: Listener
    source: str
    reason: str
    failed: bool


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """The head of a reply.

    Attributes:
        route: ``admin`` or ``public``.
        status: the HTTP status, whatever it is.
        source: the source that has the recording; None where none has, or none was asked.
    """

    route: str
    status: int
    source: str | None


@dataclass(frozen=True, slots=True)
class RecordingNotFound:
    """Why there was nothing to play.

    Attributes:
        listener: who asked.
        step: where it ended: ``token`` (malformed), ``call``, ``key`` or ``sources``.
        outage: whether a source failed, so that the recording may be there all the same.
    """

    listener: Listener
    step: str
    outage: bool = False


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    """A body is about to go out.

    Attributes:
        listener: who asked.
        source: the source that sends it.
        status: 200 or 206.
    """

    listener: Listener
    source: str
    status: int


@dataclass(frozen=True, slots=True)
class RecordingHandedOver:
    """nginx was told to fetch a body. How that ended, nginx knows.

    Attributes:
        listener: who asked.
        source: the source that nginx is sent to.
        status: 200 or 206.
    """

    listener: Listener
    source: str
    status: int


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """A source failed a stream.

    Attributes:
        listener: who asked.
        source: the source's name.
        position: bytes from the recording's start.
        reason: how it failed.
    """

    listener: Listener
    source: str
    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class StreamResumed:
    """A stream goes on.

    Attributes:
        listener: who asked.
        source: the source that sends the rest.
        position: of the next byte, from the recording's start.
    """

    listener: Listener
    source: str
    position: int


@dataclass(frozen=True, slots=True)
class SourcePutAside:
    """A source could not be reached.

    Attributes:
        source: the source's name.
        reason: how it failed.
        seconds: for which it is asked last.
    """

    source: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SourceBack:
    """A source that had been put aside answers again.

    Attributes:
        source: the source's name.
    """

    source: str


@dataclass(frozen=True, slots=True)
class RecordingServed:
    """A body's end.

    Attributes:
        listener: who asked.
        source: the source that sent its end.
        status: 200 or 206.
        delivered: bytes handed to the server.
        complete: whether these were all that had been promised.
        broken: whether it could not be finished; a listener who left early is neither complete nor broken.
        resumes: how often it was mended.
        span: the part that was promised; None for the whole recording.
        first_byte_seconds: from the request's arrival at the service to the first byte from a source.
        seconds: from that arrival to the end.
    """

    listener: Listener
    source: str
    status: int
    delivered: int
    complete: bool
    broken: bool
    resumes: int
    span: ByteSpan | None
    first_byte_seconds: float
    seconds: float


def send(signal: NamedSignal, sender: object, event: object) -> None:
    """Send `event` receiver by receiver; one that raises is logged and breaks neither the others nor the stream."""
    for receiver in signal.receivers_for(sender):
        try:
            receiver(sender, event=event)
        except Exception:
            _logger.exception("a receiver of the signal %s raised", signal.name)
