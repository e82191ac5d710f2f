"""The search for a source: which one is asked next, what a failure leads to, and the stream of the one that has it.

What a source's reply means is judged in ``sources``, what a client is answered in ``playback``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from .errors import RecordingMissing, RecordingUnreachable, SourceUnavailable
from .hand_over import HandOver, StoredRecordings
from .playback.byte_range import RangeRequest
from .playback.conditions import Decision, PlaybackRequest, negotiate
from .playback.opening import Opening, open_from
from .playback.source import ContentInfo, RecordingSource
from .playback.stream import RecordingStream, SourceFailed, StreamEvent, StreamLimits, StreamResumed
from .reports import Reports
from .settings import StorageSettings
from .signals import Listener, RecordingServed
from .sources.object_storage import ObjectStorage


@dataclass(frozen=True, slots=True)
class Playback:
    """The answer to a playback request.

    Attributes:
        decision: status and span.
        info: what is known of the whole recording.
        stream: the body, for a GET that is answered 200 or 206; whoever gets it closes it.
        source: the name of the source that has the recording.
        hand_over: instead of the stream, where nginx fetches the body.
    """

    decision: Decision
    info: ContentInfo
    stream: RecordingStream | None
    source: str
    hand_over: HandOver | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """One search for one recording.

    Attributes:
        key: the storage key.
        request: what the client asked.
        listener: who asked, for logs and signals.
        sources: all that may have the recording, in order.
        in_order: puts sources into the order of the moment: those that are down come last.
        storage: the settings of the storage that nginx may fetch from; None where Python carries every byte.
        stored: what storage said of recordings lately.
        limits: how the stream behaves.
        timeout: seconds for finding the first byte.
        reports: logs and signals.
        clock: monotonic seconds.
        sleep: waits for some seconds.
    """

    key: str
    request: PlaybackRequest
    listener: Listener
    sources: Sequence[RecordingSource]
    in_order: Callable[[Sequence[RecordingSource]], Iterable[RecordingSource]]
    storage: StorageSettings | None
    stored: StoredRecordings
    limits: StreamLimits
    timeout: float
    reports: Reports
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def run(self) -> Playback:
        """Ask source after source.

        Raises:
            RecordingMissing: every source says that it has no such recording.
            RecordingUnreachable: the same, but at least one source failed or was not asked in time.
        """
        started = self.clock()
        absent: set[str] = set()
        failed = False
        # One that broke between its headers and its first byte gets a second chance, after all the others.
        again: list[RecordingSource] = []
        for source in chain(self.in_order(self.sources), again):
            try:
                if self.clock() >= started + self.timeout:
                    raise SourceUnavailable("not asked: the search has taken too long")
                if self.storage is not None and source.name == ObjectStorage.name:
                    return self._hand_over(source, self.storage)
                opening = open_from(source, self.key, self.request)
                candidates = [other for other in self.sources if other.name not in absent]
                try:
                    stream = self._start(started, opening, candidates)
                except SourceUnavailable:
                    if source not in again:
                        again.append(source)
                    raise
                return Playback(opening.decision, opening.info, stream, source.name)
            except SourceUnavailable as exc:
                failed = True
                self.reports.source_skipped(source, exc.reason, self.listener, failed=True)
            except RecordingMissing as exc:
                absent.add(source.name)
                self.reports.source_skipped(source, str(exc), self.listener, failed=False)
        self.reports.recording_not_found("sources", self.listener, outage=failed)
        if failed:
            raise RecordingUnreachable("no source has the recording, and at least one of them failed")
        raise RecordingMissing("no source has the recording")

    def _hand_over(self, source: RecordingSource, storage: StorageSettings) -> Playback:
        """Decide, and let nginx fetch what storage has: a second upstream request, unless storage was asked lately."""
        found = self.stored.find(source, storage, self.key)
        decision = negotiate(self.request, found.info)
        if decision.status not in (200, 206):
            return Playback(decision, found.info, None, source.name)
        range_header = str(RangeRequest.of(decision.span)) if decision.span else ""
        self.reports.recording_handed_over(source.name, decision.status, self.listener)
        return Playback(decision, found.info, None, source.name, HandOver(found.signed_url, range_header))

    def _start(self, started: float, opening: Opening, candidates: list[RecordingSource]) -> RecordingStream | None:
        """The stream of an opened recording, with its first byte at hand; None where no body is due."""
        opened, status = opening.opened, opening.decision.status
        if opened is None:
            return None
        is_out, first_byte = False, 0.0

        def report(event: StreamEvent) -> None:
            if is_out:  # before, it is the search's failure, and another source is asked
                self._stream_event(event, opening.decision, started, first_byte)

        stream = RecordingStream(
            opened,
            opening.decision.span,
            self.key,
            candidates,
            self.in_order,
            self.limits,
            report=report,
            clock=self.clock,
            sleep=self.sleep,
        )
        try:
            stream.start(started + self.timeout)
        except BaseException:
            stream.close()
            raise
        is_out, first_byte = True, self.clock() - started
        self.reports.recording_started(opened.source.name, status, self.listener)
        return stream

    def _stream_event(self, event: StreamEvent, decision: Decision, started: float, first_byte: float) -> None:
        if isinstance(event, SourceFailed):
            self.reports.source_failed(event, self.listener)
        elif isinstance(event, StreamResumed):
            self.reports.stream_resumed(event, self.listener)
        else:
            served = RecordingServed(
                self.listener,
                event.source,
                decision.status,
                event.delivered,
                event.complete,
                event.error is not None,
                event.resumes,
                decision.span,
                first_byte,
                self.clock() - started,
            )
            self.reports.recording_served(served, event.error)
