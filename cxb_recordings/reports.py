"""What a service tells of its work: each event becomes one log record with fields, and one signal.

Signals' names and payloads live in ``signals``. Nothing here decides anything.
"""

from __future__ import annotations

import logging

from . import signals
from .playback.source import RecordingSource
from .playback.stream import SourceFailed, StreamResumed
from .signals import Listener, RecordingServed
from .sources.availability import AvailabilityEvent, SourcePutAside

_logger = logging.getLogger(__name__)


def _who(listener: Listener) -> str:
    """Which recording a listener asked for, for a log; quoted, so that no text from outside makes lines there."""
    asked = f"token {listener.token_fingerprint}" if listener.token_fingerprint else ""
    called = "" if listener.session_id is None else f"session id {listener.session_id!r:.200}"
    return ", ".join(part for part in (asked, called) if part) or "a view of the host's own"


class Reports:
    """The log records and signals of one service."""

    def __init__(self, sender: object) -> None:
        """Send signals as `sender`, the service."""
        self._sender = sender

    def source_skipped(self, source: RecordingSource, reason: str, listener: Listener, *, failed: bool) -> None:
        """A source was passed over in a search."""
        fields = {"source": source.name, "reason": reason, "session_id": listener.session_id, "failed": failed}
        level = logging.WARNING if failed else logging.INFO
        _logger.log(level, "source %s skipped: %s", source.name, reason, extra=fields)
        event = signals.SourceSkipped(listener, source.name, reason, failed)
        signals.send(signals.source_skipped, self._sender, event)

    def recording_started(self, source: str, status: int, listener: Listener) -> None:
        """A body is about to go out."""
        event = signals.RecordingStarted(listener, source, status)
        signals.send(signals.recording_started, self._sender, event)

    def recording_handed_over(self, source: str, status: int, listener: Listener) -> None:
        """Nginx was told to fetch a body."""
        event = signals.RecordingHandedOver(listener, source, status)
        signals.send(signals.recording_handed_over, self._sender, event)

    def request_answered(self, route: str, status: int, source: str | None) -> None:
        """The head of a reply is ready; no log record, since every server has its access log."""
        signals.send(signals.request_answered, self._sender, signals.RequestAnswered(route, status, source))

    def recording_not_found(self, step: str, listener: Listener, *, outage: bool = False) -> None:
        """A request found nothing to play; `step` says where it ended."""
        fields = {"step": step, "session_id": listener.session_id, "token_fingerprint": listener.token_fingerprint}
        level = logging.WARNING if outage else logging.INFO
        _logger.log(level, "recording not found: %s (%s)", step, _who(listener), extra=fields | {"outage": outage})
        event = signals.RecordingNotFound(listener, step, outage)
        signals.send(signals.recording_not_found, self._sender, event)

    def source_failed(self, event: SourceFailed, listener: Listener) -> None:
        """A source broke in the middle of a stream, or could not carry on."""
        fields = {"source": event.source, "position": event.position, "reason": event.reason}
        text = "%s failed at byte %d: %s"
        extra = fields | {"session_id": listener.session_id}
        _logger.warning(text, event.source, event.position, event.reason, extra=extra)
        failed = signals.SourceFailed(listener, event.source, event.position, event.reason)
        signals.send(signals.source_failed, self._sender, failed)

    def stream_resumed(self, event: StreamResumed, listener: Listener) -> None:
        """A broken stream goes on."""
        extra = {"source": event.source, "position": event.position, "session_id": listener.session_id}
        _logger.info("the recording goes on at byte %d from %s", event.position, event.source, extra=extra)
        resumed = signals.StreamResumed(listener, event.source, event.position)
        signals.send(signals.stream_resumed, self._sender, resumed)

    def recording_served(self, event: RecordingServed, error: Exception | None) -> None:
        """A body's end."""
        if error is not None:
            extra = {"source": event.source, "delivered": event.delivered, "session_id": event.listener.session_id}
            _logger.error("the recording broke off after %d bytes: %s", event.delivered, error, extra=extra)
        signals.send(signals.recording_served, self._sender, event)

    def availability_changed(self, event: AvailabilityEvent) -> None:
        """A source is asked last for a while, or answers again."""
        if isinstance(event, SourcePutAside):
            fields = {"source": event.source, "reason": event.reason, "seconds": event.seconds}
            text = "%s can't be reached (%s) and is asked last for %g s"
            _logger.warning(text, event.source, event.reason, event.seconds, extra=fields)
            aside = signals.SourcePutAside(event.source, event.reason, event.seconds)
            signals.send(signals.source_put_aside, self._sender, aside)
        else:
            _logger.info("%s answers again", event.source, extra={"source": event.source})
            signals.send(signals.source_back, self._sender, signals.SourceBack(event.source))
