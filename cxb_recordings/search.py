"""The search for a source: which one is asked next, what a failure leads to, and the stream of the one that has it.

Every source is asked once, in order; those whose failure may pass are asked again, in at most two more rounds.
What a source's reply means is judged in ``sources``, what a client is answered in ``playback``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .errors import RecordingArchived, RecordingMissing, RecordingUnreachable, SourceUnavailable
from .playback.byte_range import RangeRequest
from .playback.conditions import Decision, PlaybackRequest, negotiate
from .playback.events import Listener, RecordingNotFound, RecordingOffloaded, SourceSkipped, Tell
from .playback.opening import Opening, open_from, require_shown
from .playback.pace import Clock, Pace, Sleep
from .playback.source import ContentInfo, OpenedRecording, RecordingSource, Signer, signer_of
from .playback.stream import RecordingStream, StreamLimits
from .slots import Place, Slots
from .sources.sources import Sources

RETRY_ROUNDS = 2
RETRY_SECONDS = 3.0  # of waiting in all; a source that wants to be left alone for longer is not asked again
FIRST_PAUSE = 0.5  # seconds before the second round, less up to a half by chance; doubles with each


@dataclass(frozen=True, slots=True)
class Offloaded:
    """What nginx needs to fetch a recording from storage by itself.

    Attributes:
        signed_url: reads the recording for half a minute at least; a secret.
        range_header: the Range to ask for; empty for the whole recording.
    """

    signed_url: str = field(repr=False)
    range_header: str = ""


@dataclass(frozen=True, slots=True)
class Playback:
    """The answer to a playback request.

    Attributes:
        decision: status and span.
        info: what is known of the whole recording.
        stream: the body, for a GET that is answered 200 or 206; the caller closes it.
        source: the name of the source that has the recording.
        offloaded: instead of the stream, where nginx fetches the body.
    """

    decision: Decision
    info: ContentInfo
    stream: RecordingStream | None
    source: str
    offloaded: Offloaded | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """One search for one recording.

    Attributes:
        key: the storage key.
        request: what the client asked.
        listener: who asked.
        line: those that may have the recording, in order.
        place: the slot of this request.
        streams: among whose slots it is once Python may have to carry the body; None where nginx can't fetch it, from a
            source that signs URLs, in any case.
        sources: all of the service: which of them are asked last or again, and what they said lately.
        limits: how the stream behaves.
        timeout: seconds for finding the first byte.
        tell: called with each event.
        clock: monotonic seconds.
        sleep: waits for some seconds.
    """

    key: str
    request: PlaybackRequest
    listener: Listener
    line: Sequence[RecordingSource]
    place: Place
    streams: Slots | None
    sources: Sources
    limits: StreamLimits
    timeout: float
    tell: Tell
    clock: Clock
    sleep: Sleep

    def run(self) -> Playback:
        """Ask source after source.

        Raises:
            RecordingMissing: every source says that it has no such recording.
            RecordingArchived: the same, but one of them has it in an archive.
            RecordingUnreachable: no source has it, and at least one of them failed or was not asked in time.
            TooManyStreams: Python would have to carry the body, and `streams` has no slot left.
        """
        seen = _Seen(self.clock())
        for source in self._turns(seen):
            try:
                pace = self._pace(seen)
                offloaded, sign = None, signer_of(source) if self.streams is not None else None
                if sign is not None:
                    opening, offloaded = self._for_nginx(source, sign, pace)
                else:
                    if self.streams is not None:
                        self.place.move_to(self.streams)
                    opening = open_from(source, self.key, self.request, pace)
                    require_shown(source, self.key, pace, opening)
                if opening.info.length != 0:
                    return self._play(source, opening, seen, offloaded)
                self._pass_empty(source, opening, seen)
            except SourceUnavailable as exc:
                seen.failed(source, exc)
                self.tell(SourceSkipped(self.listener, source.name, exc.reason, True, exc.request_id))
            except RecordingMissing as exc:
                seen.has_nothing(source)
                seen.archived = seen.archived or isinstance(exc, RecordingArchived)
                self.tell(SourceSkipped(self.listener, source.name, str(exc), failed=False))
        return self._ended(seen)

    def _turns(self, seen: _Seen) -> Iterator[RecordingSource]:
        """Each source in order, and after a pause again those whose failure may pass."""
        line, waited = self.line, 0.0
        for number in range(RETRY_ROUNDS + 1):
            yield from self.sources.in_order(line)
            pause, line = self._retry(seen, waited, number)
            if not line:
                break
            self.sleep(pause)
            waited += pause

    def _pace(self, seen: _Seen) -> Pace:
        """How long a source may take; raises SourceUnavailable where it is too late to ask it."""
        deadline = seen.started + self.timeout
        if self.clock() >= deadline:
            raise SourceUnavailable("not asked: the search has taken too long")
        return Pace(self.limits.read_timeout, self.clock, deadline)

    def _pass_empty(self, source: RecordingSource, opening: Opening, seen: _Seen) -> None:
        """Go on where the recording is empty: such an upload failed; it counts where no other source has anything."""
        if opening.opened is not None:
            opening.opened.body.close()
        seen.empty = seen.empty or (source, opening)
        seen.has_nothing(source)
        self.tell(SourceSkipped(self.listener, source.name, "the recording is empty there", failed=False))

    def _ended(self, seen: _Seen) -> Playback:
        """The empty recording where nothing better was found, else the error; see :meth:`run`."""
        if seen.empty is not None and not seen.failures and not seen.archived:
            return self._play(*seen.empty, seen)
        self.tell(RecordingNotFound(self.listener, "sources", bool(seen.failures)))
        if seen.failures:
            raise RecordingUnreachable("no source has the recording, and at least one of them failed")
        if seen.archived:
            raise RecordingArchived("the recording is in an archive, and no other source has it")
        raise RecordingMissing("no source has the recording")

    def _retry(self, seen: _Seen, waited: float, number: int) -> tuple[float, Sequence[RecordingSource]]:
        """Seconds to wait after a round, and whom to ask then: nobody where another try is pointless or too late."""
        left = RETRY_SECONDS - waited
        due = [
            (source, failure.retry_after or 0.0)
            for source in self.line
            if (failure := seen.failures.get(source.name))
            and failure.is_transient
            and (failure.retry_after or 0) <= left
        ]
        jitter = random.uniform(0.5, 1)  # noqa: S311  # nosec B311
        pause = min(max([FIRST_PAUSE * 2**number * jitter, *(after for _, after in due)]), left)
        if number == RETRY_ROUNDS or self.clock() + pause >= seen.started + self.timeout:
            return 0.0, ()
        return pause, [source for source, _ in due if self.sources.may_retry(source)]

    def _for_nginx(self, source: RecordingSource, sign: Signer, pace: Pace) -> tuple[Opening, Offloaded | None]:
        """Ask a source for what is needed to decide, and for nginx to fetch the recording."""
        found = self.sources.stored.find(source, sign, self.key, pace)
        decision = negotiate(self.request, found.info)
        range_header = str(RangeRequest.of(decision.span)) if decision.span else ""
        offloaded = Offloaded(found.signed_url, range_header) if decision.status in (200, 206) else None
        return Opening(decision, found.info), offloaded

    def _play(
        self, source: RecordingSource, opening: Opening, seen: _Seen, offloaded: Offloaded | None = None
    ) -> Playback:
        decision = opening.decision
        if offloaded is not None:
            self.tell(RecordingOffloaded(self.listener, source.name, decision.status))
            return Playback(decision, opening.info, None, source.name, offloaded)
        stream = None if opening.opened is None else self._start(opening.opened, decision, seen)
        return Playback(decision, opening.info, stream, source.name)

    def _start(self, opened: OpenedRecording, decision: Decision, seen: _Seen) -> RecordingStream:
        """The stream of an opened recording, with its first bytes at hand."""
        stream = RecordingStream(
            opened,
            decision,
            self.key,
            [source for source in self.line if source.name not in seen.useless],
            self.sources.in_order,
            self.limits,
            listener=self.listener,
            tell=self.tell,
            clock=self.clock,
            sleep=self.sleep,
        )
        stream.start(seen.started, self.timeout)
        return stream


@dataclass(slots=True)
class _Seen:
    """What a search has found out.

    Attributes:
        started: when it began, on the clock.
        failures: of each source whose last answer was one, by name.
        useless: the names of sources that have nothing of the recording.
        empty: the first source that has it without a byte.
        archived: whether a source has it in an archive.
    """

    started: float
    failures: dict[str, SourceUnavailable] = field(default_factory=dict)
    useless: set[str] = field(default_factory=set)
    empty: tuple[RecordingSource, Opening] | None = None
    archived: bool = False

    def failed(self, source: RecordingSource, failure: SourceUnavailable) -> None:
        """A source could not say."""
        self.failures[source.name] = failure
        if failure.is_final:
            self.useless.add(source.name)

    def has_nothing(self, source: RecordingSource) -> None:
        """A source said that it has no such recording, or not a byte of it."""
        self.failures.pop(source.name, None)
        self.useless.add(source.name)
