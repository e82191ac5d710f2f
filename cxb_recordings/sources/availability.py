"""Which sources are down for now, and so stand at the end of the line.

A source that gave no response headers at all is asked last for a while: recordings that others have don't wait for
it, and one that only it may have still asks it. How a source is asked lives in the sources themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..errors import RecordingError, SourceUnavailable
from ..playback.byte_range import RangeRequest
from ..playback.source import ContentInfo, OpenedRecording, RecordingSource


@dataclass(frozen=True, slots=True)
class SourcePutAside:
    """A source could not be reached, and stands at the end of the line for `seconds`."""

    source: str
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class SourceBack:
    """A source that had been put aside has answered again."""

    source: str


_Answer = TypeVar("_Answer")

AvailabilityEvent = SourcePutAside | SourceBack


class Availability:
    """What one service knows of its sources' reachability. Thread-safe."""

    def __init__(
        self, cooldown: float, report: Callable[[AvailabilityEvent], None], clock: Callable[[], float]
    ) -> None:
        """Put unreachable sources aside for `cooldown` seconds of `clock`; `report` gets each change."""
        self._cooldown = cooldown
        self._report = report
        self._clock = clock
        self._lock = threading.Lock()
        self._aside: dict[str, float] = {}  # until when, by name

    def watch(self, sources: Iterable[RecordingSource]) -> list[RecordingSource]:
        """The sources, each of whose answers and failures is noticed from now on."""
        return [_Watched(source, self) for source in sources]

    def in_order(self, sources: Sequence[RecordingSource]) -> Iterator[RecordingSource]:
        """The sources as they are to be asked, decided when each one's turn comes: those put aside come last."""
        last = []
        for source in sources:
            if self._may_be_asked(source.name):
                yield source
            else:
                last.append(source)
        yield from last

    def _may_be_asked(self, name: str) -> bool:
        if name not in self._aside:  # the ordinary case takes no lock
            return True
        with self._lock:
            now = self._clock()
            if self._aside.get(name, now) > now:
                return False
            if name in self._aside:
                # Its time is over: one request finds out, and the others don't wait with it.
                self._aside[name] = now + self._cooldown
            return True

    def answered(self, name: str) -> None:
        """A source sent response headers, whatever they said."""
        if name in self._aside:
            with self._lock:
                was_aside = self._aside.pop(name, None) is not None
            if was_aside:
                self._report(SourceBack(name))

    def unreachable(self, name: str, reason: str) -> None:
        """A source sent no response headers."""
        with self._lock:
            is_new = name not in self._aside
            self._aside[name] = self._clock() + self._cooldown
        if is_new:
            self._report(SourcePutAside(name, self._cooldown, reason))


class _Watched:
    """A source whose answers and failures an :class:`Availability` notices."""

    __slots__ = ("_availability", "_source", "name")

    def __init__(self, source: RecordingSource, availability: Availability) -> None:
        self.name = source.name
        self._source = source
        self._availability = availability

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.open`."""
        return self._noticed(lambda: self._source.open(key, wanted, unless_etag=unless_etag))

    def describe(self, key: str) -> ContentInfo:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.describe`."""
        return self._noticed(lambda: self._source.describe(key))

    def _noticed(self, ask: Callable[[], _Answer]) -> _Answer:
        try:
            answer = ask()
        except SourceUnavailable as exc:
            if exc.responded:
                self._availability.answered(self.name)
            else:
                self._availability.unreachable(self.name, exc.reason)
            raise
        except RecordingError:
            self._availability.answered(self.name)
            raise
        self._availability.answered(self.name)
        return answer
