"""The sources of one service, in order and watched, on connections that live as long as the process.

How storage is spoken to lives in ``object_storage``, a fleet host in ``fleet``; which of them is asked first in
``availability``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..playback.events import Tell
from ..playback.source import RecordingSource
from ..settings import StorageSettings, SystemSettings
from .availability import Availability
from .fleet import FleetHost, make_session
from .object_storage import ObjectStorage
from .stored import StoredRecordings
from .transport import Transport


class Sources:
    """What one service knows of its sources: which there are, which are down, what they said lately. Thread-safe.

    Attributes:
        in_order: see :meth:`.availability.Availability.in_order`.
        may_retry: see :meth:`.availability.Availability.may_retry`.
        stored: what those that sign URLs said of recordings lately.
    """

    def __init__(
        self,
        find: Callable[[SystemSettings], Iterable[RecordingSource]],
        cooldown: float,
        tell: Tell,
        clock: Callable[[], float],
    ) -> None:
        """Know nothing of any source yet.

        Args:
            find: gives the sources that settings name, in order, such as :class:`Pools`.
            cooldown: seconds for which an unreachable source is asked last.
            tell: called with each event.
            clock: monotonic seconds.
        """
        self._find = find
        self._known = cooldown, tell, clock
        self._availability = Availability(cooldown, tell, clock)
        self.in_order, self.may_retry = self._availability.in_order, self._availability.may_retry
        self.stored = StoredRecordings(clock)

    def of(self, settings: SystemSettings) -> list[RecordingSource]:
        """The sources that settings name, in order; what they answer is remembered."""
        return self._availability.watch(self._find(settings))

    def replaced(self, sources: Sequence[RecordingSource]) -> Sources:
        """Others in their place, whatever settings name, of which nothing is known yet; for ``testing``."""
        return Sources(lambda _: sources, *self._known)


class Pools:
    """The pools of one service's connections, one set for each process. Thread-safe."""

    REMEMBERED_STORAGES = 8  # pools kept when settings go back and forth, or keys are rotated for years

    def __init__(self, transport: Transport) -> None:
        """Connect by `transport`. Nothing is made before it is needed."""
        self._transport = transport
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._fleet_session: Any = None
        self._storages: dict[StorageSettings, ObjectStorage] = {}
        self._pid = os.getpid()  # last: another thread that sees it finds nothing of the parent's

    def __call__(self, settings: SystemSettings) -> Iterator[RecordingSource]:
        """Storage where it is configured, then the fleet hosts in order."""
        if self._pid != os.getpid():  # sockets and TLS state must not be shared across a fork
            self._lock = threading.Lock()  # the parent's may have been held at the fork
            self._forget()
        if settings.storage is not None:
            yield self._storages.get(settings.storage) or self._make_storage(settings.storage)
        if settings.fleet:
            session = self._fleet_session or self._make_fleet_session()
            for host in settings.fleet:
                yield FleetHost(session, host, self._transport)

    def _make_storage(self, storage: StorageSettings) -> ObjectStorage:
        with self._lock:
            if storage not in self._storages:
                made = ObjectStorage(storage, self._transport)
                kept = list(self._storages.items())[1 - self.REMEMBERED_STORAGES :]
                # Replaced, not changed in place: other threads read it without the lock.
                self._storages = {**dict(kept), storage: made}
            return self._storages[storage]

    def _make_fleet_session(self) -> Any:
        with self._lock:
            self._fleet_session = self._fleet_session or make_session(self._transport.ca_bundle)
            return self._fleet_session
