"""RecordingService: a key in, a decision and a stream out; the URL helpers on live settings.

No HTTP headers and no Flask here; what sources say is judged in ``sources`` and decided upon in ``playback``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from . import links, storage_urls
from .availability import Availability, call_and_key, outcome
from .calls.repository import Call
from .endpoints import find_object
from .errors import RecordingMissing
from .findings import what
from .options import Options
from .playback.conditions import PlaybackRequest
from .playback.events import Event, Listener, RecordingNotFound
from .playback.pace import Clock, Sleep
from .playback.source import key_is_askable
from .playback_urls import USUAL_LIFE, PlaybackUrls
from .search import Playback, Search
from .settings import SettingsProvider, SettingsReader, SystemSettings
from .signals import send
from .slots import Place, Slots
from .sources.sources import Pools, Sources

_logger = logging.getLogger(__name__)


class RecordingService:
    """What ``register`` returns: finds recordings, and builds the links to them.

    Thread-safe. Pools of connections are made once for each process (a fork makes its own).

    Attributes:
        options: how it behaves.
        playback_urls: makes and reads those of the registration; None where it has no `playback_url_prefix`.
        sources: those that settings name, and what is known of them.
        sleep: waits before a broken stream is tried again.
        streams: the slots of the GETs that are searched for or played.
        heads: those of the HEADs that are searched for, and of the GETs that nginx may carry: others who listen don't
            keep these from their answers.
    """

    def __init__(
        self,
        settings_provider: SettingsProvider,
        options: Options | None = None,
        *,
        playback_urls: PlaybackUrls | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        """Make a service on live settings; nothing is asked of the provider yet."""
        self.options = options = options or Options()
        self.playback_urls = playback_urls
        self._read_settings = SettingsReader(settings_provider)
        self.sources = Sources(Pools(options.transport()), options.host_cooldown, self.tell, clock)
        self._clock = clock
        self.sleep = sleep
        self._stream_limits = options.stream_limits()
        self.streams, self.heads = Slots(options.max_streams), Slots(options.max_streams)

    def tell(self, event: Event) -> None:
        """Log an event and send its signal."""
        send(self, event)

    def settings(self, call: Call | None = None) -> SystemSettings:
        """The system settings as they are now, for a provider that takes the call those of `call`.

        The provider is asked once, and its errors are passed on.
        """
        return self._read_settings(call)

    def settings_document(self, call: Call | None = None) -> object:
        """What the settings provider returns, unread: nothing is logged of its faults; see :meth:`settings`."""
        return self._read_settings.document(call)

    def warm_up(self) -> None:
        """Make pools and read certificates before the first listener comes."""
        self.sources.of(self.settings().sections)

    def open(
        self,
        key: str,
        request: PlaybackRequest,
        listener: Listener | None = None,
        *,
        call: Call | None = None,
        may_offload: bool = False,
    ) -> Playback:
        """Find the first source that has a recording, and decide what the client gets.

        Args:
            key: the storage key, as it is.
            request: what the client asked.
            listener: who asked, for logs and signals; a new one for each call, which makes its `playback_id`.
            call: whose recording it is, for a settings provider that takes the call.
            may_offload: whether nginx may fetch the body from storage, where the service has `offload`.

        Raises:
            RecordingMissing: every source says that it has no such recording, or the key can't be one.
            RecordingArchived: the same, but one of them has it in an archive.
            RecordingUnreachable: no source has it, and at least one of them failed or was not asked in time.
            TooManyStreams: `max_streams` are in progress already; for a HEAD, as many other HEADs.
        """
        listener = listener or Listener()
        if not key_is_askable(key):
            self.tell(RecordingNotFound(listener, "key"))
            raise RecordingMissing("the key can't be asked of any source")
        # A Range with If-Range stays here: storage itself may not know If-Range (Ceph's gateway does not).
        is_for_nginx = may_offload and self.options.offload is not None and not request.head and not request.if_range
        place = Place(self.heads if request.head or is_for_nginx else self.streams)
        with ExitStack() as held:
            held.callback(place.free)
            playback = Search(
                key,
                request,
                listener,
                self.sources,
                self.sources.of(self.settings(call).sections),
                place,
                self.streams if is_for_nginx else None,
                self._stream_limits,
                self.options.search_timeout,
                self.tell,
                self._clock,
                self.sleep,
            ).run()
            if playback.stream is not None:
                playback.stream.owns(held.pop_all().close)
            return playback

    def availability(self, call_or_key: Call | str) -> Availability:
        """Whether a recording is there. The sources are asked as for a HEAD of its link, and nothing is downloaded.

        It takes no slot of `max_streams` and sends no signal of a playback; a source that can't be reached is put aside
        as by a playback. It may take `search_timeout`, and on top of that what is asked of one source.

        Args:
            call_or_key: the call, as the repository returns it, or a storage key. A settings provider that takes the
                call is given it, and None for a key.

        Returns:
            The outcome; also where the settings provider raises, which is logged with its traceback.

        Raises:
            TypeError: it is neither a call nor a key.
        """
        call, key = call_and_key(call_or_key)
        if key is None:
            reason = "it has no recording_key, and no recording_url whose path ends in one"
            return Availability("missing", reasons=(("call", reason),))
        if not key_is_askable(key):
            return Availability("missing", reasons=(("key", "no recording can have it"),))
        try:
            line = self.sources.of(self.settings(call).sections)
        except Exception as exc:
            _logger.exception("the settings provider failed")
            return Availability("unreachable", reasons=(("settings", f"the provider raised {what(exc)}"),))
        if not line:
            return Availability("missing", reasons=(("settings", "they name no usable source"),))
        return outcome(
            key,
            lambda tell: Search(
                key,
                PlaybackRequest(head=True),
                Listener(),
                self.sources,
                line,
                Place(Slots(None)),  # of its own: nobody listens
                None,
                self._stream_limits,
                self.options.search_timeout,
                tell,
                self._clock,
                self.sleep,
            ).run(),
        )

    def build_public_recording_url(
        self, host: str, token: str, *, filename: str | None = None, scheme: str = "https"
    ) -> str:
        """See :func:`cxb_recordings.build_public_recording_url`; with this registration's own prefix."""
        prefix = self.options.public_url_prefix
        return links.build_public_recording_url(host, token, filename=filename, scheme=scheme, prefix=prefix)

    def playback_url(
        self,
        session_id: str,
        host: str | None = None,
        *,
        seconds: int = USUAL_LIFE,
        identity: str | None = None,
        scheme: str = "https",
    ) -> str:
        """A URL on the host's own address that plays one recording, also in a page of another site, until it expires.

        Args:
            session_id: of the call. It is not looked up here, but at each request: the URL of a call that was deleted
                plays nothing.
            host: the host application's public name, with a port where that is not the usual one; None for scheme, host
                and path of the current request.
            seconds: for which it plays, 1 to 86,400.
            identity: for whom it is; signals and log records name them. At most 128 characters, which anyone who has
                the URL can read, as well as the session id.
            scheme: ``https``, or ``http`` on a developer's machine; only with `host`.

        Returns:
            The URL; a secret until it expires.

        Raises:
            ValueError: an argument can't be part of a URL, no `host` is given outside a request, the registration has
                no `playback_url_prefix`, or a key of the app is too short; the message names it.
            werkzeug.exceptions.SecurityError: the host of the current request is malformed, or not one of
                ``TRUSTED_HOSTS``; Flask answers 400.
        """
        if self.playback_urls is None:
            raise ValueError("playback_url_prefix: there are no playback URLs without it; pass it to register()")
        return self.playback_urls.make(session_id, host, seconds=seconds, identity=identity, scheme=scheme).url

    def crm_recording_url(
        self, call: Mapping[str, Any], host: str, *, filename: str | None = None, allow_signed_fallback: bool = False
    ) -> str:
        """See :func:`cxb_recordings.crm_recording_url`; on live settings and this registration's prefix."""
        return links.crm_recording_url(
            call,
            host,
            filename=filename,
            allow_signed_fallback=allow_signed_fallback,
            settings=self.settings(call) if allow_signed_fallback else None,
            prefix=self.options.public_url_prefix,
        )

    def generate_signed_url(self, key: str, expires_in: int = storage_urls.DAY, *, call: Call | None = None) -> str:
        """See :func:`cxb_recordings.generate_signed_url`; on live settings, those of `call`."""
        return storage_urls.generate_signed_url(self.settings(call), key, expires_in)

    def generate_temporary_public_url(self, key: str, minutes: int = 15, *, call: Call | None = None) -> str:
        """See :func:`cxb_recordings.generate_temporary_public_url`; on live settings, those of `call`."""
        return storage_urls.generate_temporary_public_url(self.settings(call), key, minutes)

    def extract_s3_key_from_url(self, url: str, bucket: str | None = None, *, call: Call | None = None) -> str | None:
        """See :func:`cxb_recordings.extract_s3_key_from_url`; with the endpoint of live settings, those of `call`."""
        storage = self.settings(call).storage
        return find_object(url, None if storage is None else storage.endpoint_url, bucket)

    def enrich_call_with_accessible_url(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """See :func:`cxb_recordings.enrich_call_with_accessible_url`; on live settings."""
        return storage_urls.enrich_call_with_accessible_url(call, self.settings(call))
