"""Which sources are down for now and are asked last, and how often a failing one may be asked again.

A source that gave no response headers at all is asked last for a while: recordings that others have don't wait for
it, and one that only it may have still asks it. How a source is asked lives in the sources themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from ..errors import RecordingError, SourceUnavailable
from ..playback.byte_range import RangeRequest
from ..playback.events import SourceBack, SourcePutAside, Tell
from ..playback.pace import Clock
from ..playback.source import ContentInfo, OpenedRecording, RecordingSource, Signer, identity_of, signer_of

RETRY_BUDGET = 50  # retries that a source gets beyond a tenth of its answers, so that a dead one is not hammered
ANSWERS_FOR_A_RETRY = 10


class Cooldowns:
    """What one service knows of its sources' reachability. Thread-safe."""

    def __init__(self, cooldown: float, tell: Tell, clock: Clock) -> None:
        """Put unreachable sources aside for `cooldown` seconds of `clock`; `tell` gets each change.

        A source is known by what it is, not by its name: each tenant may have a "storage" of its own.
        """
        self._cooldown = cooldown
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._aside: dict[Hashable, float] = {}  # until when
        self._spent: dict[Hashable, float] = {}  # of the retry budget

    def watch(self, sources: Iterable[RecordingSource]) -> list[RecordingSource]:
        """The sources, each of whose answers and failures is noticed from now on."""
        return [_Watched(source, self) for source in sources]

    def in_order(self, sources: Sequence[RecordingSource]) -> Iterator[RecordingSource]:
        """The sources in the order to ask them, decided when each one's turn comes: those put aside come last."""
        last = []
        for source in sources:
            if self._is_aside(identity_of(source)):
                last.append(source)
            else:
                yield source
        yield from last

    def _is_aside(self, identity: Hashable) -> bool:
        until = self._aside.get(identity)
        return until is not None and until > self._clock()

    def about_to_ask(self, source: RecordingSource) -> None:
        """A source whose cooldown is over is asked: one request finds out, and the others don't wait with it."""
        identity = identity_of(source)
        if identity in self._aside:  # the ordinary case takes no lock
            with self._lock:
                if identity in self._aside and not self._is_aside(identity):
                    self._aside[identity] = self._clock() + self._cooldown

    def may_retry(self, source: RecordingSource) -> bool:
        """Take a retry out of a source's budget; False where nothing is left of it."""
        identity = identity_of(source)
        with self._lock:
            spent = self._spent.get(identity, 0.0)
            if spent > RETRY_BUDGET - 1:
                return False
            self._spent[identity] = spent + 1
            return True

    def answered(self, source: RecordingSource) -> None:
        """A source sent response headers, whatever they said."""
        identity = identity_of(source)
        if identity in self._aside:
            with self._lock:
                was_aside = self._aside.pop(identity, None) is not None
            if was_aside:
                self._tell(SourceBack(source.name))

    def did_not_fail(self, source: RecordingSource) -> None:
        """A source gave a recording, or said that it has none: a part of a retry is given back."""
        identity = identity_of(source)
        if identity in self._spent:
            with self._lock:
                left = self._spent.pop(identity, 0.0) - 1 / ANSWERS_FOR_A_RETRY
                if left > 0:
                    self._spent[identity] = left

    def unreachable(self, source: RecordingSource, reason: str) -> None:
        """A source sent no response headers."""
        identity = identity_of(source)
        with self._lock:
            is_new = identity not in self._aside
            self._aside[identity] = self._clock() + self._cooldown
        if is_new:
            self._tell(SourcePutAside(source.name, reason, self._cooldown))


class _Watched:
    """A source whose answers and failures a :class:`Cooldowns` notices."""

    __slots__ = ("_cooldowns", "_source", "identity", "name")

    def __init__(self, source: RecordingSource, cooldowns: Cooldowns) -> None:
        self.name = source.name
        self.identity = identity_of(source)
        self._source = source
        self._cooldowns = cooldowns

    @property
    def signed_url(self) -> Signer | None:
        """See :func:`cxb_recordings.playback.source.signer_of`."""
        return signer_of(self._source)

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.open`."""
        with self._noticed():
            return self._source.open(key, wanted, unless_etag=unless_etag)

    def describe(self, key: str) -> ContentInfo:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.describe`."""
        with self._noticed():
            return self._source.describe(key)

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        """Notice how the source answers what is asked of it within the context."""
        self._cooldowns.about_to_ask(self)
        try:
            yield
        except SourceUnavailable as exc:
            if exc.responded:
                self._cooldowns.answered(self)
            else:
                self._cooldowns.unreachable(self, exc.reason)
            raise
        except RecordingError:
            self._answered_well()
            raise
        except Exception as exc:  # whatever a source raises is that source's failure; the text may hold a URL
            raise SourceUnavailable(f"{type(exc).__name__} in the source") from exc
        self._answered_well()

    def _answered_well(self) -> None:
        self._cooldowns.answered(self)
        self._cooldowns.did_not_fail(self)
