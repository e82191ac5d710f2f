"""Sources and calls that exist in memory only, for tests of what stands above them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cxb_recordings.errors import NotModified, RangeNotSatisfiable, RecordingMissing, SourceUnavailable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.source import ContentInfo, OpenedRecording


class FakeTime:
    """A clock that moves only where a test, or what is tested, sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeBody:
    """A body that breaks after a number of bytes, where one is given."""

    def __init__(self, data: bytes, breaks_after: int | None = None) -> None:
        self.data = data
        self.position = 0
        self.breaks_after = breaks_after
        self.closed = False
        self.sizes: list[int] = []

    def read(self, size: int) -> bytes:
        assert not self.closed
        self.sizes.append(size)
        if self.breaks_after is not None:
            size = min(size, self.breaks_after - self.position)
            if size == 0:
                raise SourceUnavailable("broken by the test")
        chunk = self.data[self.position : self.position + size]
        self.position += len(chunk)
        return chunk

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeSource:
    """A source in memory, which does what the interface says."""

    recordings: dict[str, bytes]
    name: str = "fake"
    etag: str | None = "tag"
    breaks_after: int | None = None
    bodies: list[FakeBody] = field(default_factory=list)

    def describe(self, key: str) -> ContentInfo:
        if key not in self.recordings:
            raise RecordingMissing("the fake has no such recording")
        return ContentInfo(len(self.recordings[key]), self.etag, media_type="audio/wav")

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        info = self.describe(key)
        assert info.length is not None
        if unless_etag is not None and unless_etag == self.etag:
            raise NotModified(info)
        span = wanted.resolve(info.length) if wanted else None
        if wanted and span is None:
            raise RangeNotSatisfiable(info.length)
        data = self.recordings[key]
        body = FakeBody(data[span.start : span.stop] if span else data, self.breaks_after)
        self.bodies.append(body)
        return OpenedRecording(info, span, body, self)


@dataclass
class BreakingSource(FakeSource):
    """A fake that fails as scripted, then serves.

    Attributes:
        breaks: for each opening in turn, after how many bytes it breaks; 0 fails to open, None does not break.
        failure: what is raised by an opening that fails.
        ignores_range: answers with the whole recording, whatever was asked.
    """

    breaks: list[int | None] = field(default_factory=list)
    failure: SourceUnavailable = field(default_factory=lambda: SourceUnavailable("refused", responded=False))
    ignores_range: bool = False
    wanted: list[RangeRequest | None] = field(default_factory=list)

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        self.wanted.append(wanted)
        self.breaks_after = self.breaks.pop(0) if self.breaks else None
        if self.breaks_after == 0:
            raise self.failure
        return super().open(key, None if self.ignores_range else wanted, unless_etag=unless_etag)
