"""The sources that settings name, on connections that live as long as the process.

How storage is spoken to lives in ``object_storage``, a fleet host in ``fleet``; which of them is asked first in
``availability``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

from ..playback.source import RecordingSource
from ..settings import StorageSettings, SystemSettings
from .fleet import FleetHost, make_session
from .object_storage import ObjectStorage


class Upstreams:
    """The pools of one service's connections, one set for each process. Thread-safe."""

    REMEMBERED_STORAGES = 8  # pools kept when settings go back and forth, or keys are rotated for years

    def __init__(
        self, *, connect_timeout: float, read_timeout: float, require_https_fleet: bool, ca_bundle: str | None
    ) -> None:
        """See :class:`cxb_recordings.options.Options`. Nothing is made before it is needed."""
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._require_https_fleet = require_https_fleet
        self._ca_bundle = ca_bundle
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._fleet_session: Any = None
        self._storages: dict[StorageSettings, ObjectStorage] = {}
        self._pid = os.getpid()  # last: another thread that sees it finds nothing of the parent's

    def sources(self, settings: SystemSettings) -> Iterator[RecordingSource]:
        """Storage where it is configured, then the fleet hosts in order."""
        if self._pid != os.getpid():  # sockets and TLS state must not be shared across a fork
            self._lock = threading.Lock()  # the parent's may have been held at the fork
            self._forget()
        if settings.storage is not None:
            yield self._storages.get(settings.storage) or self._make_storage(settings.storage)
        if settings.fleet:
            session = self._fleet_session or self._make_fleet_session()
            for host in settings.fleet:
                yield FleetHost(
                    session,
                    host,
                    connect_timeout=self._connect_timeout,
                    read_timeout=self._read_timeout,
                    require_https=self._require_https_fleet,
                )

    def _make_storage(self, storage: StorageSettings) -> ObjectStorage:
        with self._lock:
            if storage not in self._storages:
                made = ObjectStorage(
                    storage,
                    connect_timeout=self._connect_timeout,
                    read_timeout=self._read_timeout,
                    ca_bundle=self._ca_bundle,
                )
                kept = list(self._storages.items())[1 - self.REMEMBERED_STORAGES :]
                # Replaced, not changed in place: other threads read it without the lock.
                self._storages = {**dict(kept), storage: made}
            return self._storages[storage]

    def _make_fleet_session(self) -> Any:
        with self._lock:
            self._fleet_session = self._fleet_session or make_session(self._ca_bundle)
            return self._fleet_session
