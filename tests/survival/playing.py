"""A playback from origins that break, and the judgement of what came out: whole, cut, absent, or silently wrong."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cxb_recordings.errors import RecordingMissing, StreamBroken
from cxb_recordings.options import Options
from cxb_recordings.playback.conditions import PlaybackRequest
from cxb_recordings.service import RecordingService
from tests.servers.origin import Origin

Outcome = Literal["whole", "whole, of the other", "cut", "404", "silently wrong"]

KEY = "2024/05/call one.wav"

# Short, so that hundreds of playbacks fit into a minute, and long enough for a busy machine.
OPTIONS = Options(connect_timeout=5.0, read_timeout=1.0, resume_attempts=3, resume_timeout=20.0, host_cooldown=0.001)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a client got.

    Attributes:
        status: of the response.
        total: the whole recording's length, as told.
        promised: the Content-Length.
        data: the bytes that came.
        broken: whether the connection was broken off.
    """

    status: int
    total: int | None = None
    promised: int | None = None
    data: bytes = b""
    broken: bool = False


class Player:
    """A service that many threads use, each with the sources of its own playback."""

    def __init__(self, options: Options = OPTIONS) -> None:
        self._present = threading.local()
        self.service = RecordingService(lambda: self._present.settings, options, sleep=self._sleep)

    def play(
        self,
        settings: Mapping[str, object],
        wanted: str | None = None,
        *,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> Heard:
        """Play :data:`KEY`, or the range `wanted` of it.

        Args:
            settings: the system settings with the sources.
            wanted: a Range header.
            while_waiting: called instead of each pause between two rounds of retries.
        """
        self._present.settings = settings
        self._present.while_waiting = while_waiting
        try:
            playback = self.service.open(KEY, PlaybackRequest.from_headers("GET", {"Range": wanted} if wanted else {}))
        except RecordingMissing:
            return Heard(404)
        status = playback.decision.status
        if playback.stream is None:
            return Heard(status)
        span = playback.decision.span
        total = playback.info.length
        promised = span.length if span else total
        chunks = []
        try:
            for chunk in playback.stream:
                chunks.append(chunk)  # noqa: PERF402 - those before the break count
        except StreamBroken:
            return Heard(status, total, promised, b"".join(chunks), broken=True)
        return Heard(status, total, promised, b"".join(chunks))

    def _sleep(self, _: float) -> None:
        self._present.while_waiting()


def system_settings(storage: Origin | None, fleet: Sequence[Origin]) -> dict[str, object]:
    """The system settings with these sources."""
    section = storage.storage() if storage else {}
    return {**section, "cxbcore_fleet": [host.url for host in fleet]}


def judge(heard: Heard, truth: bytes, other: bytes | None = None) -> Outcome:
    """Name what happened; `truth` is what should be heard, `other` what a source with another recording has."""
    if heard.status == 404:
        return "404"
    if heard.broken:  # what came before must be right, and can't have been all
        is_a_beginning = len(heard.data) < len(truth) == heard.promised and truth.startswith(heard.data)
        return "cut" if is_a_beginning else "silently wrong"
    if len(heard.data) != heard.promised:
        return "silently wrong"
    digest = hashlib.sha256(heard.data).digest()
    if digest == hashlib.sha256(truth).digest():
        return "whole"
    if other is not None and digest == hashlib.sha256(other).digest():
        return "whole, of the other"
    return "silently wrong"
