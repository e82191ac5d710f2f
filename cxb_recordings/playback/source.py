"""What every source of recordings offers, and the values that pass between a source and its user.

A source is asked for a key and, perhaps, a range; it answers with an open body or with one of four errors that are
part of the interface: ``RecordingMissing``, ``SourceUnavailable``, ``RangeNotSatisfiable``, ``NotModified``.
Which source is asked when, and what the client gets, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .byte_range import ByteSpan, RangeRequest


@dataclass(frozen=True, slots=True)
class ContentInfo:
    """What a source knows of a whole recording.

    Attributes:
        length: bytes of the whole recording; None where the source does not tell.
        etag: the opaque tag without its quotes; None where there is none (none is ever made up).
        etag_is_weak: whether the source marked the tag ``W/``.
        last_modified: aware datetime in UTC, whole seconds; None where there is none.
        media_type: the Content-Type as the source sent it, not yet judged.
    """

    length: int | None
    etag: str | None = None
    etag_is_weak: bool = False
    last_modified: datetime | None = None
    media_type: str | None = None

    @property
    def strong_etag(self) -> str | None:
        """The tag where it proves byte-for-byte equality (RFC 9110 §8.8.1), else None."""
        return None if self.etag_is_weak else self.etag


class RecordingBody(Protocol):
    """An upstream body in progress."""

    def read(self, size: int) -> bytes:
        """Return what has arrived, at least one byte and at most `size`; ``b""`` at the end.

        Raises:
            SourceUnavailable: the transfer broke.
        """

    def close(self) -> None:
        """Free the connection; harmless when repeated."""


@dataclass(frozen=True, slots=True)
class OpenedRecording:
    """A body that is being received, and what is known of it. Its holder closes it.

    Attributes:
        info: the whole recording, also where the body carries a part of it.
        span: the part that the body carries; None for the whole recording (whose length may be 0 or unknown).
        body: the bytes.
        source: who sends them.
    """

    info: ContentInfo
    span: ByteSpan | None
    body: RecordingBody
    source: RecordingSource


class RecordingSource(Protocol):
    """A place that may have a recording: object storage, a fleet host, a test's fake.

    All methods raise ``RecordingMissing`` when the source says that it has no such recording, and
    ``SourceUnavailable`` when it can't say.
    """

    @property
    def name(self) -> str:
        """What logs and signals call this source: free of secrets, stable between requests."""

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        """Start to receive a recording, with one upstream request in the ordinary case.

        Args:
            key: the storage key, as it is: not quoted, not decoded.
            wanted: the range to ask for; a source that can't do ranges may answer with the whole recording.
            unless_etag: a strong tag (no quotes); a source that has just this version may raise ``NotModified``.
                Never together with `wanted`.

        Raises:
            RangeNotSatisfiable: the recording is there, and `wanted` is outside it.
            NotModified: the recording is there, and has `unless_etag`.
        """

    def describe(self, key: str) -> ContentInfo:
        """Tell what is known of a recording without opening its body (HEAD)."""


class SignsUrls(Protocol):
    """What a source may be able to do beyond that, so that nginx can fetch by itself; see :func:`signer_of`."""

    def signed_url(self, key: str, seconds: int) -> str:
        """A URL that reads `key` for some seconds; a secret. No request is made."""


Signer = Callable[[str, int], str]
"""A source's :meth:`SignsUrls.signed_url`: a key and seconds in, a URL out."""


def signer_of(source: RecordingSource) -> Signer | None:
    """The source's :meth:`SignsUrls.signed_url`; None where it has none."""
    signed_url: Signer | None = getattr(source, "signed_url", None)
    return signed_url


class HasIdentity(Protocol):
    """What a source has where its name does not tell it apart from all others; see :func:`identity_of`."""

    @property
    def identity(self) -> Hashable:
        """What this source is, such as endpoint and bucket; free of secrets, the same for each request."""


def identity_of(source: RecordingSource) -> Hashable:
    """What tells a source apart from all others: :attr:`HasIdentity.identity` where it has one, else its name."""
    return getattr(source, "identity", source.name)


def request_id_of(body: RecordingBody) -> str:
    """The source's own id of the request that a body answers, fit for a log; empty where it has none."""
    request_id: str = getattr(body, "request_id", "")
    return request_id


MAX_KEY_BYTES = 1024  # Amazon S3's limit on an object key, in UTF-8 bytes


def key_is_askable(key: str) -> bool:
    """Whether any source may be asked for `key` at all.

    A ``.`` or ``..`` segment would change the path that is asked for (measured: storage is sent ``/bucket/../other/x``
    as it stands, and for a fleet host requests makes ``/other/x`` of ``/recordings/../other/x``), a control character
    or a lone surrogate can't be sent, and no store has longer keys. A key that ends in a slash is a folder:
    of ``/`` some stores make ``/bucket/``, and answer with a listing of the bucket.
    """
    if not key or key.endswith("/") or (not key.isascii() and any("\ud800" <= char <= "\udfff" for char in key)):
        return False
    if len(key.encode()) > MAX_KEY_BYTES or any(segment in (".", "..") for segment in key.split("/")):
        return False
    return not any(char < " " or "\x7f" <= char <= "\x9f" for char in key)
