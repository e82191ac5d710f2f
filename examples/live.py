"""What the latest requests for recordings did, as the library's signals tell it: the dashboard's live view.

All signals of one request carry the same `playback_id`; that is how they are put together here. None of them holds a
token, a secret or a signed URL.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from blinker import NamedSignal
from flask import has_request_context, request

from cxb_recordings import RecordingService, signals

KEPT = 25  # requests
_NOT_FOUND = {
    "token": "no call has this link",
    "expired": "the URL has expired",
    "call": "no call has this link",
    "key": "the call has no recording",
    "sources": "no source has it",
}


@dataclass(slots=True)
class Step:
    """One thing that happened, so many times: `kind` is ``skip``, ``start``, ``fail``, ``resume`` or ``end``."""

    kind: str
    source: str
    text: str
    times: int = 1


@dataclass(slots=True)
class Transfer:
    """A request for a recording, and what came of it.

    Attributes:
        number: counts requests up.
        at: when it began, as ISO 8601.
        asked: the Range header, or nothing.
        state: ``searching``, ``playing``, ``complete``, ``stopped listening``, ``broken`` or ``not found``.
        source: who sends it, or sent its end.
    """

    number: int
    at: str
    route: str
    session_id: str
    asked: str
    state: str = "searching"
    source: str = ""
    resumes: int = 0
    steps: list[Step] = field(default_factory=list)


class LiveView:
    """The latest transfers of one service. Thread-safe."""

    def __init__(self, recordings: RecordingService, names: Callable[[], Mapping[str, str]]) -> None:
        """Listen to the signals of `recordings`; `names` gives what people call the sources."""
        self._names = names
        self._lock = threading.Lock()
        self._version = 0
        self._transfers: deque[tuple[str, Transfer]] = deque(maxlen=KEPT)
        # Kept here: blinker holds receivers weakly.
        self._receivers: dict[NamedSignal, Callable[..., None]] = {
            signals.source_skipped: self._skipped,
            signals.recording_started: self._started,
            signals.source_failed: self._failed,
            signals.stream_resumed: self._resumed,
            signals.recording_not_found: self._not_found,
            signals.recording_served: self._served,
        }
        for signal, receiver in self._receivers.items():
            signal.connect(receiver, sender=recordings)

    def snapshot(self, session_id: str | None = None) -> dict[str, Any]:
        """The latest transfers, newest first, of one call or of all; ``version`` counts what happened up to now."""
        with self._lock:
            shown = [asdict(transfer) for _, transfer in self._transfers]
            version = self._version
        if session_id is not None:
            shown = [transfer for transfer in shown if transfer["session_id"] == session_id]
        return {"version": version, "transfers": shown[::-1]}

    def _skipped(self, _: object, event: signals.SourceSkipped) -> None:
        kind = "fail" if event.failed else "skip"
        self._note(event, kind, event.source, event.reason)

    def _started(self, _: object, event: signals.RecordingStarted) -> None:
        self._note(event, "start", event.source, f"answers {event.status}", state="playing")

    def _failed(self, _: object, event: signals.SourceFailed) -> None:
        self._note(event, "fail", event.source, f"failed at byte {event.position:,}: {event.reason}")

    def _resumed(self, _: object, event: signals.StreamResumed) -> None:
        text = f"resumed at byte {event.position:,}"
        self._note(event, "resume", event.source, text, state="playing")

    def _not_found(self, _: object, event: signals.RecordingNotFound) -> None:
        text = "no source can be reached that has it" if event.outage else _NOT_FOUND[event.step]
        self._note(event, "end", "", text, state="not found")

    def _served(self, _: object, event: signals.RecordingServed) -> None:
        state = "complete" if event.complete else "broken" if event.broken else "stopped listening"
        unit = "byte" if event.delivered == 1 else "bytes"
        text = f"{event.delivered:,} {unit} in {event.seconds:.1f} s"
        self._note(event, "end", event.source, text, state=state)

    def _note(self, event: signals.PlaybackEvent, kind: str, source: str, text: str, state: str | None = None) -> None:
        if (
            has_request_context() and request.method == "HEAD"
        ):  # it asks whether there is a recording, and plays nothing
            return
        name = self._names().get(source, source)
        with self._lock:
            transfer = self._of(event)
            again = next(
                (step for step in transfer.steps if (step.kind, step.source, step.text) == (kind, name, text)), None
            )
            if again is None:
                transfer.steps.append(Step(kind, name, text))
            else:  # the position is part of the text: one and the same break, tried again
                again.times += 1
            transfer.resumes += kind == "resume"
            if kind in ("start", "resume"):
                transfer.source = name
            if state:
                transfer.state = state
            self._version += 1

    def _of(self, event: signals.PlaybackEvent) -> Transfer:
        for playback_id, transfer in reversed(self._transfers):
            if playback_id == event.playback_id:
                return transfer
        asked = request.headers.get("Range", "")[:40] if has_request_context() else ""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        transfer = Transfer(self._version, now, event.listener.route, event.listener.session_id or "", asked)
        self._transfers.append((event.playback_id, transfer))
        return transfer
