"""RecordingService: a key in, a decision and a stream out; the URL helpers on live settings.

No HTTP headers and no Flask here; what sources say is judged in ``sources`` and decided upon in ``playback``.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import links, signals, storage_urls
from .errors import NotModified, RangeNotSatisfiable, RecordingMissing, RecordingUnreachable, SourceUnavailable
from .playback.conditions import Decision, PlaybackRequest, negotiate
from .playback.source import ContentInfo, RecordingSource, key_is_askable
from .playback.stream import RecordingStream, StreamEnd
from .settings import SettingsReader, StorageSettings, SystemSettings
from .signals import Listener
from .sources.fleet import FleetHost, make_session
from .sources.object_storage import ObjectStorage, deaf_session, make_client

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How a service behaves; the keywords of ``register`` that are not about Flask.

    Attributes:
        max_chunk_size: ceiling of a chunk, in bytes.
        connect_timeout: seconds for each attempt to connect.
        read_timeout: seconds without a byte from a source.
        search_timeout: seconds after which no further source is asked for the recording.
        require_https_fleet: a fleet host with plain http is not asked and counts as failed.
        ca_bundle: path of certificates for storage and fleet.
        public_url_prefix: where the public route is mounted.
    """

    max_chunk_size: int = 262144
    connect_timeout: float = 2.0
    read_timeout: float = 10.0
    search_timeout: float = 20.0
    require_https_fleet: bool = False
    ca_bundle: str | None = None
    public_url_prefix: str = "/api/v1/public/recordings"


@dataclass(frozen=True, slots=True)
class Playback:
    """The answer to a playback request.

    Attributes:
        decision: status and span.
        info: what is known of the whole recording.
        stream: the body, for a GET that is answered 200 or 206; whoever gets it closes it.
        source: the name of the source that has the recording.
    """

    decision: Decision
    info: ContentInfo
    stream: RecordingStream | None
    source: str


class RecordingService:
    """What ``register`` returns: finds recordings, and builds the links to them.

    Thread-safe. Clients and sessions are made once for each process (a fork makes its own).
    """

    def __init__(
        self,
        settings_provider: Callable[[], object],
        options: Options | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a service on live settings; nothing is asked of the provider yet."""
        self.options = options or Options()
        self._read_settings = SettingsReader(settings_provider)
        self._clock = clock
        self._upstreams = _Upstreams(self.options)

    def settings(self) -> SystemSettings:
        """The system settings as they are now; asks the provider once, whose errors are passed on."""
        return self._read_settings()

    def warm_up(self) -> None:
        """Make the client and sessions before the first listener comes; 100 ms and more, once for each worker."""
        self._sources(self.settings())

    def open(self, key: str, request: PlaybackRequest, listener: Listener | None = None) -> Playback:
        """Find the first source that has a recording, and decide what the client gets.

        Args:
            key: the storage key, as it is.
            request: what the client asked.
            listener: who asked, for logs and signals.

        Raises:
            RecordingMissing: every source says that it has no such recording, or the key can't be one.
            RecordingUnreachable: the same, but at least one source failed or was not asked in time.
        """
        listener = listener or Listener()
        if not key_is_askable(key):
            raise RecordingMissing("the key can't be asked of any source")
        deadline = self._clock() + self.options.search_timeout
        failed = False
        for source in self._sources(self.settings()):
            try:
                if self._clock() >= deadline:
                    raise SourceUnavailable("not asked: the search has taken too long")
                return self._open_from(source, key, request, listener)
            except SourceUnavailable as exc:
                failed = True
                self._skipped(source, exc.reason, listener, failed=True)
            except RecordingMissing as exc:
                self._skipped(source, str(exc), listener, failed=False)
        if failed:
            raise RecordingUnreachable("no source has the recording, and at least one of them failed")
        raise RecordingMissing("no source has the recording")

    def _open_from(self, source: RecordingSource, key: str, request: PlaybackRequest, listener: Listener) -> Playback:
        wanted = request.wanted
        if request.head or (wanted and wanted.resolve(1) is None and wanted.first is None):
            # bytes=-0 is never asked of a source: stores disagree about it, and only the length is needed.
            info = source.describe(key)
            decision = negotiate(request, info)
            if request.head or decision.status != 200:
                return Playback(decision, info, None, source.name)
            wanted = None
        try:
            opened = source.open(key, wanted, unless_etag=request.unless_etag)
        except NotModified as exc:
            return Playback(Decision(304), exc.info, None, source.name)
        except RangeNotSatisfiable as exc:
            # Preconditions, If-Range and the suffix of an empty recording come before a 416.
            needs_info = request.is_conditional or exc.length is None or wanted is None or wanted.first is None
            info = source.describe(key) if needs_info else ContentInfo(exc.length)
            decision = negotiate(request, info)
            if decision.status not in (200, 206):
                return Playback(decision, info, None, source.name)
            opened = source.open(key)
        decision = negotiate(request, opened.info)
        if decision.status == 200 and opened.span is not None:  # a mismatching If-Range costs one request more
            opened.body.close()
            opened = source.open(key)
        if decision.status not in (200, 206):
            opened.body.close()
            return Playback(decision, opened.info, None, source.name)
        signals.send(signals.recording_started, self, signals.RecordingStarted(listener, source.name, decision.status))
        stream = RecordingStream(
            opened,
            decision.span,
            max_chunk_size=self.options.max_chunk_size,
            on_end=lambda end: self._served(source, decision, end, listener),
        )
        return Playback(decision, opened.info, stream, source.name)

    def _skipped(self, source: RecordingSource, reason: str, listener: Listener, *, failed: bool) -> None:
        level = logging.WARNING if failed else logging.INFO
        fields = {"source": source.name, "reason": reason, "session_id": listener.session_id, "failed": failed}
        _logger.log(level, "source %s skipped: %s", source.name, reason, extra=fields)
        signals.send(signals.source_skipped, self, signals.SourceSkipped(listener, source.name, reason, failed))

    def _served(self, source: RecordingSource, decision: Decision, end: StreamEnd, listener: Listener) -> None:
        if end.error is not None:
            fields = {"source": source.name, "delivered": end.delivered, "session_id": listener.session_id}
            _logger.error(
                "the recording broke off after %d bytes from %s: %s",
                end.delivered,
                source.name,
                end.error,
                extra=fields,
            )
        event = signals.RecordingServed(
            listener, source.name, decision.status, end.delivered, end.complete, end.error is not None
        )
        signals.send(signals.recording_served, self, event)

    def _sources(self, settings: SystemSettings) -> list[RecordingSource]:
        return list(self._upstreams.sources(settings))

    def build_public_recording_url(self, host: str, token: str, *, scheme: str = "https") -> str:
        """See :func:`cxb_recordings.links.build_public_recording_url`; with this registration's own prefix."""
        return links.build_public_recording_url(host, token, scheme=scheme, prefix=self.options.public_url_prefix)

    def crm_recording_url(self, call: Mapping[str, Any], host: str, *, allow_signed_fallback: bool = False) -> str:
        """See :func:`cxb_recordings.links.crm_recording_url`; on live settings and this registration's prefix."""
        return links.crm_recording_url(
            call,
            host,
            allow_signed_fallback=allow_signed_fallback,
            settings=self.settings() if allow_signed_fallback else None,
            prefix=self.options.public_url_prefix,
        )

    def generate_signed_url(self, key: str, expires_in: int = storage_urls.DAY) -> str:
        """See :func:`cxb_recordings.storage_urls.generate_signed_url`; on live settings."""
        return storage_urls.generate_signed_url(self.settings(), key, expires_in)

    def generate_temporary_public_url(self, key: str, minutes: int = 15) -> str:
        """See :func:`cxb_recordings.storage_urls.generate_temporary_public_url`; on live settings."""
        return storage_urls.generate_temporary_public_url(self.settings(), key, minutes)

    def extract_s3_key_from_url(self, url: str, bucket: str | None = None) -> str | None:
        """See :func:`cxb_recordings.storage_urls.extract_s3_key_from_url`."""
        return storage_urls.extract_s3_key_from_url(url, bucket)

    def enrich_call_with_accessible_url(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """See :func:`cxb_recordings.storage_urls.enrich_call_with_accessible_url`; on live settings."""
        return storage_urls.enrich_call_with_accessible_url(call, self.settings())


class _Upstreams:
    """The clients and sessions of one service, one set for each process."""

    REMEMBERED_STORAGES = 8  # clients kept when settings go back and forth, or keys are rotated for years

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._session: Any = None
        self._fleet_session: Any = None
        self._storages: dict[StorageSettings, ObjectStorage] = {}

    def sources(self, settings: SystemSettings) -> Iterator[RecordingSource]:
        """Storage where it is configured, then the fleet hosts in order."""
        if self._pid != os.getpid():  # sockets and TLS state must not be shared across a fork
            self._lock = threading.Lock()  # the parent's may have been held at the fork
            self._forget()
        if settings.storage is not None:
            yield self._storages.get(settings.storage) or self._make_storage(settings.storage)
        if settings.fleet:
            options = self._options
            session = self._fleet_session or self._make_fleet_session()
            for host in settings.fleet:
                yield FleetHost(
                    session,
                    host,
                    connect_timeout=options.connect_timeout,
                    read_timeout=options.read_timeout,
                    require_https=options.require_https_fleet,
                )

    def _make_storage(self, storage: StorageSettings) -> ObjectStorage:
        with self._lock:
            if storage not in self._storages:
                self._session = self._session or deaf_session()
                options = self._options
                client = make_client(
                    self._session,
                    storage,
                    connect_timeout=options.connect_timeout,
                    read_timeout=options.read_timeout,
                    ca_bundle=options.ca_bundle,
                )
                kept = list(self._storages.items())[1 - self.REMEMBERED_STORAGES :]
                # Replaced, not changed in place: other threads read it without the lock.
                self._storages = {**dict(kept), storage: ObjectStorage(client, storage.bucket)}
            return self._storages[storage]

    def _make_fleet_session(self) -> Any:
        with self._lock:
            self._fleet_session = self._fleet_session or make_session(self._options.ca_bundle)
            return self._fleet_session
