"""Recordings that nginx fetches by itself: what storage says of each, and a signed URL.

Both are remembered for a while: a listener who seeks asks for the same recording again and again. Which requests are
offloaded is decided in ``search``, what nginx is sent in ``web.offload``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..playback.opening import prove
from ..playback.pace import Clock, Pace
from ..playback.source import ContentInfo, RecordingSource, Signer

URL_SECONDS = 60  # nginx fetches at once; a URL that got out is worth nothing a minute later
REMEMBERED_SECONDS = 30  # recordings never change, and nginx sends back a request for one that is gone
REMEMBERED_RECORDINGS = 1024


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """A recording that storage has.

    Attributes:
        info: what storage said of it.
        signed_url: reads the recording for half a minute at least; a secret.
        until: when, on the clock of its cache, both must be asked for again.
    """

    info: ContentInfo
    signed_url: str = field(repr=False)
    until: float


class StoredRecordings:
    """What storage said of recordings lately. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        """Remember nothing yet; `clock` tells monotonic seconds."""
        self._clock = clock
        self._remembered: dict[tuple[Signer, str], StoredRecording] = {}

    def find(
        self,
        source: RecordingSource,
        sign: Signer,
        key: str,
        pace: Pace,
    ) -> StoredRecording:
        """The recording `key`, as it is remembered or as `source` has it now.

        The source is asked for the first byte: HEAD does not tell whether it is one of a recording.

        Args:
            source: whom to ask.
            sign: the source's own, by :func:`cxb_recordings.playback.source.signer_of`; tells sources apart.
            key: the storage key.
            pace: how long it may take.

        Raises:
            RecordingMissing: the source has no such recording.
            SourceUnavailable: the source failed.
        """
        now = self._clock()
        found = self._remembered.get((sign, key))
        if found is None or found.until <= now:
            url = sign(key, URL_SECONDS)
            found = StoredRecording(prove(source, key, pace)[0], url, now + REMEMBERED_SECONDS)
            if len(self._remembered) >= REMEMBERED_RECORDINGS:
                self._remembered = {}  # replaced, not emptied: other threads use it without a lock
            self._remembered[sign, key] = found
        return found
