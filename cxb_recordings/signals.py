"""Where events leave the library: each becomes one log record with fields, and one blinker signal.

A signal is sent by the :class:`~cxb_recordings.service.RecordingService` that it concerns, with the event as ``event``.
What events hold and how they are logged is said in ``playback.events``. Who counts or stores them is not decided here.
"""

from __future__ import annotations

import logging
import re

from blinker import NamedSignal

# Under these names hosts import them.
from .playback.events import Event
from .playback.events import Listener as Listener
from .playback.events import PlaybackEvent as PlaybackEvent
from .playback.events import RecordingNotFound as RecordingNotFound
from .playback.events import RecordingOffloaded as RecordingOffloaded
from .playback.events import RecordingServed as RecordingServed
from .playback.events import RecordingStarted as RecordingStarted
from .playback.events import RequestAnswered as RequestAnswered
from .playback.events import SourceBack as SourceBack
from .playback.events import SourceFailed as SourceFailed
from .playback.events import SourcePutAside as SourcePutAside
from .playback.events import SourceSkipped as SourceSkipped
from .playback.events import StreamResumed as StreamResumed

_logger = logging.getLogger(__name__)
_signals: dict[type[Event], NamedSignal] = {}


def _signal(kind: type[Event]) -> NamedSignal:
    """The signal of a kind of event, named as it is: ``source-skipped`` for ``SourceSkipped``."""
    return _signals.setdefault(kind, NamedSignal(re.sub(r"(?!^)(?=[A-Z])", "-", kind.__name__).lower()))


#: A source did not have the recording, or failed, and the next one is asked; payload :class:`SourceSkipped`.
source_skipped = _signal(SourceSkipped)
#: A request to one of the routes is answered, by whomever and whatever; payload :class:`RequestAnswered`.
request_answered = _signal(RequestAnswered)
#: A request is answered 404, or 503 for an outage; payload :class:`RecordingNotFound`.
recording_not_found = _signal(RecordingNotFound)
#: A recording begins to go out (GET with a body only); payload :class:`RecordingStarted`.
recording_started = _signal(RecordingStarted)
#: nginx fetches a recording from storage by itself; payload :class:`RecordingOffloaded`.
recording_offloaded = _signal(RecordingOffloaded)
#: A source broke in the middle of a stream, or could not carry on; payload :class:`SourceFailed`.
source_failed = _signal(SourceFailed)
#: A broken stream goes on at the exact next byte; payload :class:`StreamResumed`.
stream_resumed = _signal(StreamResumed)
#: A source that could not be reached is asked last for a while; payload :class:`SourcePutAside`.
source_put_aside = _signal(SourcePutAside)
#: A source that had been put aside answers again; payload :class:`SourceBack`.
source_back = _signal(SourceBack)
#: A recording's body is closed, whole or not; payload :class:`RecordingServed`.
recording_served = _signal(RecordingServed)
#: All of the above.
EVERY = tuple(_signals.values())


def send(sender: object, event: Event) -> None:
    """Log an event and send its signal, receiver by receiver; one that raises is logged and breaks nothing."""
    if event.level:
        request = " [request %(request_id)s]" if event.fields.get("request_id") else ""
        _logger.log(event.level, event.message + request, event.fields, extra=event.fields)
    signal = _signals[type(event)]
    for receiver in signal.receivers_for(sender):
        try:
            receiver(sender, event=event)
        except Exception:
            _logger.exception("a receiver of the signal %s raised", signal.name, extra=event.fields)
