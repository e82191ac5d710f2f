"""RecordingService: a key in, a decision and a stream out. Its URL helpers are in ``service_urls``.

No HTTP headers and no Flask here; what sources say is judged in ``sources`` and decided upon in ``playback``.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack

from .availability import Availability, call_and_key, outcome, unaskable
from .calls.repository import Call
from .errors import RecordingMissing
from .findings import what
from .options import Options
from .playback.conditions import PlaybackRequest
from .playback.events import Event, Listener, RecordingNotFound, Tell
from .playback.pace import Clock, Sleep
from .playback.source import key_is_askable
from .playback.stream import StreamLimits
from .playback_urls import PlaybackUrls
from .search import Playback, Search
from .service_urls import ServiceUrls
from .settings import SettingsProvider, SettingsReader
from .signals import send
from .slots import Place, Slots
from .sources.sources import Pools, Sources

_logger = logging.getLogger(__name__)


class RecordingService(ServiceUrls):
    """What ``register`` returns: finds recordings, and builds the links to them.

    Thread-safe. Pools of connections are made once for each process (a fork makes its own).

    Attributes:
        options: how it behaves.
        settings: gives the system settings as they are now, for a provider that takes the call those of the call that
            it is called with. The provider is asked once, and its errors are passed on.
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
        options = options or Options()
        super().__init__(options, SettingsReader(settings_provider), playback_urls)
        self.sources = Sources(Pools(options.transport()), options.host_cooldown, self.tell, clock)
        self._clock = clock
        self.sleep = sleep
        self.streams, self.heads = Slots(options.max_streams), Slots(options.max_streams)

    def tell(self, event: Event) -> None:
        """Log an event and send its signal."""
        send(self, event)

    @property
    def _means(self) -> tuple[Sources, StreamLimits, float, Tell, Clock, Sleep]:
        """What all searches of this service have in common, in the order of :class:`.search.Search`."""
        options = self.options
        return self.sources, options.stream_limits, options.search_timeout, self.tell, self._clock, self.sleep

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
            line = self.sources.of(self.settings(call).sections)
            streams = self.streams if is_for_nginx else None
            playback = Search(key, request, listener, line, place, streams, *self._means).run()
            if playback.stream is not None:
                playback.stream.owns(place)
                held.pop_all()
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
        if key is None or not key_is_askable(key):
            return unaskable(key)
        try:
            line = self.sources.of(self.settings(call).sections)
        except Exception as exc:
            _logger.exception("the settings provider failed")
            return Availability("unreachable", reasons=(("settings", f"the provider raised {what(exc)}"),))
        if not line:
            return Availability("missing", reasons=(("settings", "they name no usable source"),))
        place, head = Place(Slots(None)), PlaybackRequest(head=True)  # a place of its own: nobody listens
        return outcome(Search(key, head, Listener(), line, place, None, *self._means))
