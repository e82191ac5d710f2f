"""RecordingService: a key in, a decision and a stream out; the URL helpers on live settings.

No HTTP headers and no Flask here; what sources say is judged in ``sources`` and decided upon in ``playback``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from . import links, storage_urls
from .errors import RecordingMissing, RecordingUnreachable, SourceUnavailable, TooManyStreams
from .hand_over import URL_SECONDS, HandOver, StoredRecordings
from .playback.byte_range import RangeRequest
from .playback.conditions import Decision, PlaybackRequest, negotiate
from .playback.opening import Opening, open_from
from .playback.source import ContentInfo, RecordingSource, key_is_askable
from .playback.stream import RecordingStream, SourceFailed, StreamEvent, StreamLimits, StreamResumed
from .reports import Reports
from .settings import SettingsReader, StorageSettings, SystemSettings
from .signals import Listener, RecordingServed
from .sources.availability import Availability
from .sources.object_storage import ObjectStorage
from .sources.presigning import presign_get_object
from .sources.upstreams import Upstreams


@dataclass(frozen=True, slots=True)
class Options:
    """How a service behaves; the keywords of ``register`` that are not about Flask.

    Attributes:
        max_chunk_size: ceiling of a chunk, in bytes.
        connect_timeout: seconds for each attempt to connect.
        read_timeout: seconds without a byte from a source, or with less than 8 KB.
        search_timeout: seconds for finding the first byte; bounds are checked between attempts and reads.
        resume_attempts: tries to go on with a broken stream, between 64 KB of progress.
        resume_timeout: seconds for them all.
        host_cooldown: seconds that an unreachable source stands at the end of the line.
        max_streams: streams in progress at most, in this process; None for no bound.
        outage_status: 404, or 503 where no source had a recording and one of them failed.
        require_https_fleet: a fleet host with plain http is not asked and counts as failed.
        ca_bundle: path of certificates for storage and fleet.
        public_url_prefix: of links: where the public route is mounted, below the path of the app itself.
        offload: the internal nginx location that fetches from storage; None where Python carries every byte.
    """

    max_chunk_size: int = 262144
    connect_timeout: float = 2.0
    read_timeout: float = 10.0
    search_timeout: float = 20.0
    resume_attempts: int = 8
    resume_timeout: float = 60.0
    host_cooldown: float = 10.0
    max_streams: int | None = None
    outage_status: int = 404
    require_https_fleet: bool = False
    ca_bundle: str | None = None
    public_url_prefix: str = links.PUBLIC_URL_PREFIX
    offload: str | None = None

    def stream_limits(self) -> StreamLimits:
        """Those of them that are a stream's."""
        return StreamLimits(self.max_chunk_size, self.read_timeout, self.resume_attempts, self.resume_timeout)


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


class RecordingService:
    """What ``register`` returns: finds recordings, and builds the links to them.

    Thread-safe. Pools of connections are made once for each process (a fork makes its own).

    Attributes:
        options: how it behaves.
        reports: its log records and signals.
        upstreams: the sources that settings name.
        sleep: waits before a broken stream is tried again.
    """

    def __init__(
        self,
        settings_provider: Callable[[], object],
        options: Options | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make a service on live settings; nothing is asked of the provider yet."""
        self.options = options = options or Options()
        self._read_settings = SettingsReader(settings_provider)
        self._clock = clock
        self.sleep = sleep
        self._stream_limits = options.stream_limits()
        self._slots = None if options.max_streams is None else threading.BoundedSemaphore(options.max_streams)
        self.reports = Reports(self)
        self._know_nothing_of_sources()
        self.upstreams: Callable[[SystemSettings], Iterable[RecordingSource]] = Upstreams(
            connect_timeout=options.connect_timeout,
            read_timeout=options.read_timeout,
            require_https_fleet=options.require_https_fleet,
            ca_bundle=options.ca_bundle,
        ).sources

    def _know_nothing_of_sources(self) -> None:
        self._availability = Availability(self.options.host_cooldown, self.reports.availability_changed, self._clock)
        self._stored = StoredRecordings(self._clock)

    @contextmanager
    def asking(
        self, upstreams: Callable[[SystemSettings], Iterable[RecordingSource]], sleep: Callable[[float], None]
    ) -> Iterator[None]:
        """Ask other sources, of which nothing is known yet, until the context ends; for ``testing``."""
        before = self.upstreams, self.sleep, self._availability, self._stored
        self.upstreams, self.sleep = upstreams, sleep
        self._know_nothing_of_sources()
        try:
            yield
        finally:
            self.upstreams, self.sleep, self._availability, self._stored = before

    def settings(self) -> SystemSettings:
        """The system settings as they are now; asks the provider once, whose errors are passed on."""
        return self._read_settings()

    def warm_up(self) -> None:
        """Make pools, read certificates and, for `offload`, make boto3's client before the first listener comes."""
        settings = self.settings()
        self.sources(settings)
        if self.options.offload is not None and settings.storage is not None:
            presign_get_object(settings.storage, "any", URL_SECONDS)

    def sources(self, settings: SystemSettings) -> list[RecordingSource]:
        """Storage where it is configured, then the fleet hosts in order; what they answer is remembered."""
        return self._availability.watch(self.upstreams(settings))

    def open(
        self, key: str, request: PlaybackRequest, listener: Listener | None = None, *, may_hand_over: bool = False
    ) -> Playback:
        """Find the first source that has a recording, and decide what the client gets.

        Args:
            key: the storage key, as it is.
            request: what the client asked.
            listener: who asked, for logs and signals.
            may_hand_over: whether nginx may fetch the body from storage, where the service has `offload`.

        Raises:
            RecordingMissing: every source says that it has no such recording, or the key can't be one.
            RecordingUnreachable: the same, but at least one source failed or was not asked in time.
            TooManyStreams: `max_streams` are in progress already.
        """
        listener = listener or Listener()
        if not key_is_askable(key):
            self.reports.recording_not_found("key", listener)
            raise RecordingMissing("the key can't be asked of any source")
        # A Range with If-Range stays here: storage itself may not know If-Range (Ceph's gateway does not).
        hands_over = may_hand_over and self.options.offload is not None and not request.head and not request.if_range
        started = self._clock()
        search = _Search(key, request, listener, started, started + self.options.search_timeout, hands_over)
        if request.head or self._slots is None:
            return self._search(search)
        if not self._slots.acquire(blocking=False):
            raise TooManyStreams(f"{self.options.max_streams} streams are in progress")
        playback = None
        try:
            playback = self._search(search)
        finally:
            if playback is None or playback.stream is None:
                self._slots.release()
        return playback

    def _search(self, search: _Search) -> Playback:
        settings = self.settings()
        sources = self.sources(settings)
        absent: set[str] = set()
        failed = False
        # One that broke between its headers and its first byte gets a second chance, after all the others.
        again: list[RecordingSource] = []
        for source in chain(self._availability.in_order(sources), again):
            try:
                if self._clock() >= search.deadline:
                    raise SourceUnavailable("not asked: the search has taken too long")
                if search.hands_over and settings.storage is not None and source.name == ObjectStorage.name:
                    return self._hand_over(source, settings.storage, search)
                opening = open_from(source, search.key, search.request)
                candidates = [other for other in sources if other.name not in absent]
                try:
                    stream = self._start(search, opening, candidates)
                except SourceUnavailable:
                    if source not in again:
                        again.append(source)
                    raise
                return Playback(opening.decision, opening.info, stream, source.name)
            except SourceUnavailable as exc:
                failed = True
                self.reports.source_skipped(source, exc.reason, search.listener, failed=True)
            except RecordingMissing as exc:
                absent.add(source.name)
                self.reports.source_skipped(source, str(exc), search.listener, failed=False)
        self.reports.recording_not_found("sources", search.listener, outage=failed)
        if failed:
            raise RecordingUnreachable("no source has the recording, and at least one of them failed")
        raise RecordingMissing("no source has the recording")

    def _hand_over(self, source: RecordingSource, storage: StorageSettings, search: _Search) -> Playback:
        """Decide, and let nginx fetch what storage has: a second upstream request, unless storage was asked lately."""
        found = self._stored.find(source, storage, search.key)
        decision = negotiate(search.request, found.info)
        if decision.status not in (200, 206):
            return Playback(decision, found.info, None, source.name)
        range_header = str(RangeRequest.of(decision.span)) if decision.span else ""
        self.reports.recording_handed_over(source.name, decision.status, search.listener)
        return Playback(decision, found.info, None, source.name, HandOver(found.signed_url, range_header))

    def _start(self, search: _Search, opening: Opening, candidates: list[RecordingSource]) -> RecordingStream | None:
        """The stream of an opened recording, with its first byte at hand; None where no body is due."""
        opened, status = opening.opened, opening.decision.status
        if opened is None:
            return None
        is_out, first_byte = False, 0.0

        def report(event: StreamEvent) -> None:
            if is_out:  # before, it is the search's failure, and another source is asked
                self._stream_event(event, opening.decision, first_byte, search)

        stream = RecordingStream(
            opened,
            opening.decision.span,
            search.key,
            candidates,
            self._availability.in_order,
            self._stream_limits,
            report=report,
            clock=self._clock,
            sleep=self.sleep,
        )
        try:
            stream.start(search.deadline)
        except BaseException:
            stream.close()
            raise
        is_out, first_byte = True, self._clock() - search.started
        self.reports.recording_started(opened.source.name, status, search.listener)
        return stream

    def _stream_event(self, event: StreamEvent, decision: Decision, first_byte: float, search: _Search) -> None:
        if isinstance(event, SourceFailed):
            self.reports.source_failed(event, search.listener)
        elif isinstance(event, StreamResumed):
            self.reports.stream_resumed(event, search.listener)
        else:
            if self._slots is not None:
                self._slots.release()
            served = RecordingServed(
                search.listener,
                event.source,
                decision.status,
                event.delivered,
                event.complete,
                event.error is not None,
                event.resumes,
                decision.span,
                first_byte,
                self._clock() - search.started,
            )
            self.reports.recording_served(served, event.error)

    def build_public_recording_url(self, host: str, token: str, *, scheme: str = "https") -> str:
        """See :func:`cxb_recordings.build_public_recording_url`; with this registration's own prefix."""
        return links.build_public_recording_url(host, token, scheme=scheme, prefix=self.options.public_url_prefix)

    def crm_recording_url(self, call: Mapping[str, Any], host: str, *, allow_signed_fallback: bool = False) -> str:
        """See :func:`cxb_recordings.crm_recording_url`; on live settings and this registration's prefix."""
        return links.crm_recording_url(
            call,
            host,
            allow_signed_fallback=allow_signed_fallback,
            settings=self.settings() if allow_signed_fallback else None,
            prefix=self.options.public_url_prefix,
        )

    def generate_signed_url(self, key: str, expires_in: int = storage_urls.DAY) -> str:
        """See :func:`cxb_recordings.generate_signed_url`; on live settings."""
        return storage_urls.generate_signed_url(self.settings(), key, expires_in)

    def generate_temporary_public_url(self, key: str, minutes: int = 15) -> str:
        """See :func:`cxb_recordings.generate_temporary_public_url`; on live settings."""
        return storage_urls.generate_temporary_public_url(self.settings(), key, minutes)

    def extract_s3_key_from_url(self, url: str, bucket: str | None = None) -> str | None:
        """See :func:`cxb_recordings.extract_s3_key_from_url`."""
        return storage_urls.extract_s3_key_from_url(url, bucket)

    def enrich_call_with_accessible_url(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """See :func:`cxb_recordings.enrich_call_with_accessible_url`; on live settings."""
        return storage_urls.enrich_call_with_accessible_url(call, self.settings())


@dataclass(frozen=True, slots=True)
class _Search:
    """What is looked for, by whom, since when and until when (on the service's clock)."""

    key: str
    request: PlaybackRequest
    listener: Listener
    started: float
    deadline: float
    hands_over: bool
