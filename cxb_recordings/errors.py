"""The errors of the library, internal ones too, and what each one carries.

Foreign exceptions (botocore, requests, urllib3, pymongo) are translated into these where they occur, in
``sources`` and ``calls.mongo``. No message here ever holds a token, a secret or a signed URL: they are made of field
names, host names and status codes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .playback.source import ContentInfo

__all__ = [
    "DifferentRecording",
    "InvalidRegistration",
    "MissingAccessToken",
    "NotARecording",
    "NotModified",
    "RangeNotSatisfiable",
    "RecordingArchived",
    "RecordingError",
    "RecordingMissing",
    "RecordingUnreachable",
    "RepositoryUnavailable",
    "SettingsError",
    "SourceUnavailable",
    "StreamBroken",
    "TooManyStreams",
]


class RecordingError(Exception):
    """Base of all errors of this library."""


class InvalidRegistration(RecordingError, ValueError):
    """Raised when ``register`` is called with arguments that can't work; names every mistake at once.

    Attributes:
        mistakes: one sentence for each mistake, with its remedy.
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("register() was called with mistakes:\n" + "\n".join(f"- {mistake}" for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class SettingsError(RecordingError, ValueError):
    """Raised when something needs settings that are missing or malformed.

    Attributes:
        fields: dotted names of the fields at fault, such as ``minio.bucket``.
    """

    def __init__(self, message: str, fields: Sequence[str]) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class MissingAccessToken(RecordingError, ValueError):
    """Raised when a stable link is asked for a call that has no ``recording_access_token``."""


class RepositoryUnavailable(RecordingError):
    """Raised when the database behind a repository or a settings provider does not answer in time, or refuses."""


class RecordingMissing(RecordingError):
    """Raised when a source answers that it does not have the recording."""


class RecordingArchived(RecordingMissing):
    """Raised when storage has the recording in an archive, from which it must be restored before anyone can read it."""


class RecordingUnreachable(RecordingMissing):
    """Raised when no source had the recording and at least one of them failed: an outage, not an absence."""


class SourceUnavailable(RecordingError):
    """Raised when a source can't be used: it failed, refused, or answered something that does not fit.

    Attributes:
        reason: what happened, in words fit for a log record (no key, no secret, no URL).
        responded: whether the source sent response headers at all; one that did not is unreachable.
        status: the source's HTTP status, where there was one.
        retry_after: seconds after which the source wants to be asked again, where it sent them.
        is_transient: whether another try may work in a moment; by default, by the status.
        request_id: the store's own ids of the request, for its operator; empty where it sent none.
    """

    TRANSIENT_STATUSES = frozenset((408, 425, 429, 500, 502, 503, 504))

    def __init__(
        self,
        reason: str,
        *,
        responded: bool = True,
        status: int | None = None,
        retry_after: float | None = None,
        is_transient: bool | None = None,
    ) -> None:
        super().__init__(reason)
        self.request_id = ""
        self.reason = reason
        self.responded = responded
        self.status = status
        self.retry_after = retry_after
        self.is_transient = status in self.TRANSIENT_STATUSES if is_transient is None else is_transient

    @property
    def is_final(self) -> bool:
        """Whether asking this source once more is pointless: it refused, and not for being busy."""
        return self.status is not None and 400 <= self.status < 500 and not self.is_transient


class NotARecording(SourceUnavailable):
    """Raised when what a source has under a key is a web page or a playlist."""

    @property
    def is_final(self) -> bool:
        """Always: it is the same each time."""
        return True


class DifferentRecording(SourceUnavailable):
    """Raised when a source has another recording than the one that a stream began with, or can't prove otherwise."""

    @property
    def is_final(self) -> bool:
        """Always: recordings are immutable."""
        return True


class TooManyStreams(RecordingError):
    """Raised when as many streams are in progress in this process as `max_streams` allows."""


class RangeNotSatisfiable(RecordingError):
    """Raised when a source has the recording, but not the range that was asked of it (416).

    Attributes:
        length: the whole recording's length in bytes, where the source sent it.
    """

    def __init__(self, length: int | None) -> None:
        super().__init__("the range is outside the recording")
        self.length = length


class NotModified(RecordingError):
    """Raised when a source has the recording with the very validator that was sent (304).

    Attributes:
        info: what the reply said of the recording; a 304 has no length.
    """

    def __init__(self, info: ContentInfo) -> None:
        super().__init__("the recording has not been modified")
        self.info = info


class StreamBroken(RecordingError):
    """Raised when a stream can't be finished: its source broke and nothing can carry on at the exact next byte."""
