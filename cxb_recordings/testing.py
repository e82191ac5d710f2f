"""For hosts' tests: an app's recordings held in memory, in sources that break when a test says so; and the checks of a
host's own repository.

Nothing here needs pytest; the fixture lives in ``pytest_plugin``. Calls in memory are an
:class:`~cxb_recordings.calls.repository.InMemoryCallRepository`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar
from urllib.parse import quote

from flask import Flask

from . import signals
from .calls.finding_contract import check_call_repository
from .calls.token_contract import check_token_store
from .errors import NotModified, RangeNotSatisfiable, RecordingMissing, SourceUnavailable
from .options import DEFAULT_NAME
from .playback.byte_range import RangeRequest
from .playback.source import ContentInfo, OpenedRecording, Signer
from .service import RecordingService

__all__ = [
    "InMemoryBody",
    "InMemoryRecordings",
    "InMemorySource",
    "check_call_repository",
    "check_token_store",
    "hold_in_memory",
]

_Event = TypeVar("_Event")


class InMemoryBody:
    """A body that breaks after a number of bytes where one is given, and at once where its source is down."""

    def __init__(self, data: bytes, breaks_after: int | None = None, source: InMemorySource | None = None) -> None:
        """Hand out `data`, or its first `breaks_after` bytes."""
        self.data = data
        self.position = 0
        self.breaks_after = breaks_after
        self.closed = False
        self._source = source

    def read(self, size: int) -> bytes:
        """See :meth:`cxb_recordings.playback.source.RecordingBody.read`."""
        if self.closed:
            raise ValueError("the body is closed")
        if self._source is not None and self._source.is_down:
            raise SourceUnavailable("switched off by the test")
        if self.breaks_after is not None:
            size = min(size, self.breaks_after - self.position)
            if size == 0:
                raise SourceUnavailable("broken by the test", is_transient=True)
        chunk = self.data[self.position : self.position + size]
        self.position += len(chunk)
        return chunk

    def close(self) -> None:
        """See :meth:`cxb_recordings.playback.source.RecordingBody.close`."""
        self.closed = True


@dataclass
class InMemorySource:
    """A source of recordings in this process's memory: ranges, validators and all, and it fails as a test says.

    Attributes:
        recordings: what it has, by storage key; may be changed at any time.
        name: what logs and signals call it; no other source of the app has it. With `offload`, nginx would fetch from
            the one that is named ``storage``.
        media_type: the Content-Type of all of them; None leaves it to the ending of the key.
        is_down: whether it can't be reached: transfers in progress break, and none begins.
        breaks: for each opening in turn, after how many bytes it breaks; 0 fails to open, None does not break. Where
            it is down, there is no opening.
        failure: what an opening that fails raises a copy of.
        bodies: every body that was opened, in order.
    """

    recordings: dict[str, bytes] = field(default_factory=dict)
    name: str = "memory"
    media_type: str | None = None
    is_down: bool = False
    breaks: list[int | None] = field(default_factory=list)
    failure: SourceUnavailable = field(default_factory=lambda: SourceUnavailable("refused", responded=False))
    bodies: list[InMemoryBody] = field(default_factory=list)

    def etag_of(self, data: bytes) -> str | None:
        """The strong tag of a recording."""
        return sha256(data).hexdigest()[:32]

    @property
    def signed_url(self) -> Signer | None:
        """See :class:`cxb_recordings.playback.source.SignsUrls`; the source named ``storage`` has it."""
        return self._sign if self.name == "storage" else None

    def _sign(self, key: str, seconds: int) -> str:
        return f"https://{self.name}.invalid/{quote(key)}?X-Amz-Expires={seconds}"

    def describe(self, key: str) -> ContentInfo:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.describe`."""
        if self.is_down:
            raise copy(self.failure)
        if key not in self.recordings:
            raise RecordingMissing("there is no such recording in memory")
        data = self.recordings[key]
        return ContentInfo(len(data), self.etag_of(data), media_type=self.media_type)

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.open`."""
        breaks_after = self.breaks.pop(0) if self.breaks and not self.is_down else None
        if breaks_after == 0:
            raise copy(self.failure)
        info, data = self.describe(key), self.recordings[key]
        if unless_etag is not None and unless_etag == info.etag:
            raise NotModified(info)
        span = wanted.resolve(len(data)) if wanted else None
        if wanted and span is None:
            raise RangeNotSatisfiable(len(data))
        body = InMemoryBody(data[span.start : span.stop] if span else data, breaks_after, self)
        self.bodies.append(body)
        return OpenedRecording(info, span, body, self)


@dataclass(frozen=True, slots=True)
class InMemoryRecordings:
    """An app's recordings, held in memory.

    Attributes:
        service: the app's recording service.
        sources: what it asks, in order.
        events: the payloads of all signals that it has sent since, in order.
    """

    service: RecordingService
    sources: tuple[InMemorySource, ...]
    events: list[object] = field(default_factory=list)

    @property
    def source(self) -> InMemorySource:
        """The first source."""
        return self.sources[0]

    def heard(self, kind: type[_Event]) -> list[_Event]:
        """The events of one kind, such as :class:`cxb_recordings.signals.RecordingServed`."""
        return [event for event in self.events if isinstance(event, kind)]


@contextmanager
def hold_in_memory(app: Flask, *sources: InMemorySource, name: str = DEFAULT_NAME) -> Iterator[InMemoryRecordings]:
    """Ask sources in memory, and no other, for the recordings of an app, until the context ends.

    Settings and calls stay the app's own. Nothing is known of the sources at first, and what the app knew of its own
    (that one is down, for instance) is known again afterwards. A broken stream is tried again without waiting.

    Args:
        app: an app on which ``register`` was called.
        sources: asked in this order; an empty one where none is given.
        name: the registration's name.

    Raises:
        ValueError: the app has no such registration, or two of the sources have one name.
    """
    service = app.extensions.get(name)
    if not isinstance(service, RecordingService):
        raise ValueError(f"app: call register(app, …, name={name!r}) before, or give the name of another registration")
    names = [source.name for source in sources]
    for source_name in names:
        if names.count(source_name) > 1:  # a service tells sources apart by their names
            remedy = 'give each a name of its own, such as InMemorySource(name="fleet")'
            raise ValueError(f"sources: more than one is named {source_name!r}; {remedy}")
    held = InMemoryRecordings(service, sources or (InMemorySource(),))

    def hear(_: object, event: object) -> None:
        held.events.append(event)

    before = service.sources, service.sleep
    with ExitStack() as stack:
        for signal in signals.EVERY:
            stack.enter_context(signal.connected_to(hear, service))
        service.sources, service.sleep = service.sources.replaced(held.sources), lambda _: None
        try:
            yield held
        finally:
            service.sources, service.sleep = before
