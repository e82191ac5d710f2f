"""The sources of one service, in order and watched, on connections that live as long as the process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..playback.events import Tell
from ..playback.pace import Clock
from ..playback.source import RecordingSource
from .cooldown import Cooldowns
from .kind import Make, Section, SourceKind
from .stored import StoredRecordings
from .transport import Transport

Sections = Iterable[Section[Any]]  # of the system settings, in order


class Sources:
    """What one service knows of its sources: which there are, which are down, what they said lately. Thread-safe.

    Attributes:
        in_order: see :meth:`.cooldown.Cooldowns.in_order`.
        may_retry: see :meth:`.cooldown.Cooldowns.may_retry`.
        stored: what those that sign URLs said of recordings lately.
    """

    def __init__(
        self,
        find: Callable[[Sections], Iterable[RecordingSource]],
        cooldown: float,
        tell: Tell,
        clock: Clock,
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
        self._cooldowns = Cooldowns(cooldown, tell, clock)
        self.in_order, self.may_retry = self._cooldowns.in_order, self._cooldowns.may_retry
        self.stored = StoredRecordings(clock)

    def of(self, sections: Sections) -> list[RecordingSource]:
        """The sources that settings name, in order; what they answer is remembered."""
        return self._cooldowns.watch(self._find(sections))

    def replaced(self, sources: Sequence[RecordingSource]) -> Sources:
        """Others in their place, whatever settings name, of which nothing is known yet; for ``testing``."""
        return Sources(lambda _: sources, *self._known)


class Pools:
    """The pools of one service's connections, one set for each process. Thread-safe."""

    def __init__(self, transport: Transport) -> None:
        """Connect by `transport`. Nothing is made before it is needed."""
        self._transport = transport
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()  # a new one: the parent's may have been held at the fork
        self._makers: dict[SourceKind[Any, Any], Make[Any, Any]] = {}
        self._pid = os.getpid()  # last: another thread that sees it finds nothing of the parent's

    def __call__(self, sections: Sections) -> Iterator[RecordingSource]:
        """The sources of all kinds, in the order of the settings."""
        if self._pid != os.getpid():  # sockets and TLS state must not be shared across a fork
            self._forget()
        for section in sections:
            if section.sources:
                yield from map(self._makers.get(section.kind) or self._connect(section.kind), section.sources)

    def _connect(self, kind: SourceKind[Any, Any]) -> Make[Any, Any]:
        with self._lock:
            if kind not in self._makers:
                self._makers[kind] = kind.connect(self._transport)
            return self._makers[kind]
