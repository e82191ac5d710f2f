"""What can happen to a recording request: each kind of event once, with the log record that it gives.

Parts that notice something pass an event to the callable ``tell`` that they were given. ``signals`` sends it.
No event holds a token, a secret or a signed URL.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import ClassVar

from .byte_range import ByteSpan


def _new_id() -> str:
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class Listener:
    """Who asked, as far as it is known and may be logged; one for each request.

    Attributes:
        route: ``admin``, ``public``, ``playback``, or ``host`` for a view of the host's own.
        session_id: the call's, where it is known.
        identity: whom the admin route's ``identity`` named, or for whom a playback URL was made; None elsewhere.
        token_fingerprint: of the public link's token, or of what is signed in a playback URL; None elsewhere.
        playback_id: 12 random hex digits, the same in all events and log records of the request.
    """

    route: str = "host"
    session_id: str | None = None
    identity: object = None
    token_fingerprint: str | None = None
    playback_id: str = field(default_factory=_new_id, compare=False)

    def __str__(self) -> str:
        """Which recording was asked for, for a log; quoted, so that text from outside can't add lines to it."""
        kind = "playback URL" if self.route == "playback" else "token"
        token = self.token_fingerprint and f"{kind} {self.token_fingerprint}"
        session = None if self.session_id is None else f"session id {self.session_id!r:.200}"
        identity = None if self._signed_identity is None else f"identity {self._signed_identity!r}"
        return ", ".join(filter(None, (token, session, identity))) or f"playback {self.playback_id}"

    @property
    def fields(self) -> dict[str, object]:
        """Its part of a log record. `identity` is there for a playback URL; elsewhere it is the host's object."""
        names = "session_id", "token_fingerprint", "playback_id"
        told = {"listener": str(self)} | {name: getattr(self, name) for name in names}
        return told | ({"identity": self._signed_identity} if self.route == "playback" else {})

    @property
    def _signed_identity(self) -> object:
        return self.identity if self.route == "playback" else None


@dataclass(frozen=True, slots=True)
class Event:
    """What all events have in common: how they are logged.

    Attributes:
        message: the text of the log record, a %-format of `fields`; empty where there is none.
    """

    message: ClassVar[str] = ""

    @property
    def level(self) -> int:
        """The level of the log record; NOTSET where there is none."""
        return logging.WARNING if self.message else logging.NOTSET

    @property
    def fields(self) -> dict[str, object]:
        """The fields of the log record: the event's numbers and texts, and what may be logged of its listener."""
        told: dict[str, object] = {}
        for name in (each.name for each in fields(self)):
            value = getattr(self, name)
            if isinstance(value, Listener):
                told |= value.fields
            elif value is None or isinstance(value, str | int | float):
                told[name] = value
        return told


Tell = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class PlaybackEvent(Event):
    """What happened in one playback.

    Attributes:
        listener: who asked.
    """

    listener: Listener

    @property
    def playback_id(self) -> str:
        """The same in all events and log records of one request."""
        return self.listener.playback_id


@dataclass(frozen=True, slots=True)
class SourceSkipped(PlaybackEvent):
    """Why a source was passed over.

    Attributes:
        listener: who asked.
        source: the source's name.
        reason: what it answered, or how it failed.
        failed: False where it plainly said that it has no such recording.
        request_id: of a failure, the store's own ids of the request, for its operator; empty where it sent none.
    """

    message = "source %(source)s skipped: %(reason)s (%(listener)s)"
    source: str
    reason: str
    failed: bool
    request_id: str = ""

    @property
    def level(self) -> int:
        """Only a failure is a warning."""
        return logging.WARNING if self.failed else logging.INFO


@dataclass(frozen=True, slots=True)
class RequestAnswered(Event):
    """The head of a reply; it gives no log record, since every server has its access log.

    Attributes:
        route: ``admin``, ``public`` or ``playback``.
        status: the HTTP status, whatever it is.
        source: the source that has the recording; None where none has, or none was asked.
        playback_id: see :class:`Listener`; None where the reply is not of the route's view, such as a refusal.
    """

    route: str
    status: int
    source: str | None = None
    playback_id: str | None = None


@dataclass(frozen=True, slots=True)
class RecordingNotFound(PlaybackEvent):
    """Why there was nothing to play.

    Attributes:
        listener: who asked.
        step: where it ended: ``token`` (malformed, or not signed here), ``expired`` (a playback URL), ``call``, ``key``
            or ``sources``.
        outage: whether a source failed, so that the recording may still be there.
    """

    message = "recording not found: %(step)s (%(listener)s)"
    step: str
    outage: bool = False

    @property
    def level(self) -> int:
        """Only an outage is a warning."""
        return logging.WARNING if self.outage else logging.INFO


@dataclass(frozen=True, slots=True)
class RecordingStarted(PlaybackEvent):
    """A body is about to go out.

    Attributes:
        listener: who asked.
        source: the source that sends it.
        status: 200 or 206.
    """

    source: str
    status: int


@dataclass(frozen=True, slots=True)
class RecordingOffloaded(PlaybackEvent):
    """nginx was asked to fetch a body. Only nginx knows how that ended.

    Attributes:
        listener: who asked.
        source: the source that nginx is sent to.
        status: 200 or 206.
    """

    source: str
    status: int


@dataclass(frozen=True, slots=True)
class SourceFailed(PlaybackEvent):
    """A source broke in the middle of a stream, or could not carry on.

    Attributes:
        listener: who asked.
        source: the source's name.
        position: bytes from the recording's start.
        reason: how it failed.
        request_id: the store's own ids of the request, for its operator; empty where it sent none.
    """

    message = "%(source)s failed at byte %(position)d: %(reason)s (%(listener)s)"
    source: str
    position: int
    reason: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class StreamResumed(PlaybackEvent):
    """A broken stream goes on.

    Attributes:
        listener: who asked.
        source: the source that sends the rest.
        position: of the next byte, from the recording's start.
    """

    message = "the recording goes on at byte %(position)d from %(source)s (%(listener)s)"
    source: str
    position: int

    @property
    def level(self) -> int:
        """The warning was the failure."""
        return logging.INFO


@dataclass(frozen=True, slots=True)
class SourcePutAside(Event):
    """A source could not be reached.

    Attributes:
        source: the source's name.
        reason: how it failed.
        seconds: for which it is asked last.
    """

    message = "%(source)s can't be reached (%(reason)s) and is asked last for %(seconds)g s"
    source: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SourceBack(Event):
    """A source that had been put aside answers again.

    Attributes:
        source: the source's name.
    """

    message = "%(source)s answers again"
    source: str

    @property
    def level(self) -> int:
        """The warning was the failure."""
        return logging.INFO


@dataclass(frozen=True, slots=True)
class RecordingServed(PlaybackEvent):
    """A body's end; it gives a log record where the body is broken.

    Attributes:
        listener: who asked.
        source: the source that sent its end.
        status: 200 or 206.
        delivered: bytes handed to the server.
        complete: whether these were all that had been promised.
        reason: why it could not be finished; None where it could, and for a listener who left early.
        resumes: how often it was mended.
        span: the part that was promised; None for the whole recording.
        first_byte_seconds: from the request's arrival at the service to the first byte from a source.
        seconds: from that arrival to the end.
    """

    message = "the recording broke off after %(delivered)d bytes of %(source)s: %(reason)s (%(listener)s)"
    source: str
    status: int
    delivered: int
    complete: bool
    reason: str | None
    resumes: int
    span: ByteSpan | None
    first_byte_seconds: float
    seconds: float

    @property
    def broken(self) -> bool:
        """Whether it could not be finished; a listener who left early is neither complete nor broken."""
        return self.reason is not None

    @property
    def level(self) -> int:
        """A listener who leaves is no error."""
        return logging.ERROR if self.broken else logging.NOTSET
