"""A clock that tests move, a source in memory with the oddities that real ones have, and a service on such sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cxb_recordings.options import Options
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.conditions import PlaybackRequest
from cxb_recordings.playback.source import OpenedRecording
from cxb_recordings.service import RecordingService
from cxb_recordings.testing import InMemorySource


class FakeTime:
    """A clock that moves only where a test, or what is tested, sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class BreakingSource(InMemorySource):
    """A source in memory that remembers what it was asked.

    Attributes:
        etag: of all its recordings; None where it has no validators.
        ignores_range: answers with the whole recording, whatever was asked.
        wanted: the range of each opening.
        on_open: called at each opening.
    """

    etag: str | None = "tag"
    ignores_range: bool = False
    wanted: list[RangeRequest | None] = field(default_factory=list)
    on_open: Callable[[], object] = lambda: None

    def etag_of(self, data: bytes) -> str | None:
        return self.etag

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        self.wanted.append(wanted)
        self.on_open()
        return super().open(key, None if self.ignores_range else wanted, unless_etag=unless_etag)


class Searching:
    """A service on sources in memory, and a clock that only its sleeping moves."""

    def __init__(self, *sources: InMemorySource, **options: float) -> None:
        self.time = FakeTime()
        self.pauses: list[float] = []
        self.service = RecordingService(dict, Options(**options), clock=self.time.clock, sleep=self._sleep)  # type: ignore[arg-type]
        self.service.sources = self.service.sources.replaced(sources)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time.sleep(seconds)

    def play(self, wanted: str | None = None) -> bytes:
        playback = self.service.open("a", PlaybackRequest.from_headers("GET", {"Range": wanted} if wanted else {}))
        return b"" if playback.stream is None else b"".join(playback.stream)

    def probe(self) -> int | None:
        return self.service.open("a", PlaybackRequest(head=True)).info.length
