"""Single questions to a store for the doctor: the whole reply, where playback needs a verdict only.

What a reply means for an operator is not decided here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree  # nosec B405

from urllib3 import BaseHTTPResponse

from ...playback.byte_range import ByteSpan, parse_content_range
from ...playback.conditions import parse_http_date
from ...playback.source import key_is_askable
from ..http_source import exchange
from ..reply import word
from .client import ObjectStorage, error_word


@dataclass(frozen=True, slots=True)
class StoreReply:
    """What a store answered.

    Attributes:
        status: the HTTP status.
        code: S3's word for an error, such as ``NoSuchBucket``; empty where there is none.
        region: the region that the store names; None where it names none.
        date: the store's clock, whole seconds; None where it does not tell.
        keys: of a listing, those of objects that may be recordings, without empty ones; None where it is no listing.
        is_first_byte: whether it says that it carries the first byte and no other, as ``bytes=0-0`` asks for.
    """

    status: int
    code: str
    region: str | None
    date: datetime | None
    keys: tuple[str, ...] | None = None
    is_first_byte: bool = False


class StorageProbe:
    """Asks a bucket as playback does: the same connections, the same signature."""

    def __init__(self, source: ObjectStorage) -> None:
        """Ask what `source` asks."""
        self.source = source

    def read_first_byte(self, key: str) -> StoreReply:
        """Ask for ``bytes=0-0`` of a key.

        Raises:
            SourceUnavailable: there was no reply.
        """
        return self._read(exchange(self.source.send, "GET", key, {"Range": "bytes=0-0"}))

    def list_some(self) -> StoreReply:
        """Ask which keys there are, for a few of them.

        Raises:
            SourceUnavailable: there was no reply.
        """
        query = "?encoding-type=url&list-type=2&max-keys=10"
        return self._read(exchange(self.source.send, "GET", "", {}, query))

    def _read(self, response: BaseHTTPResponse) -> StoreReply:
        document = self.source.read_document(response)
        is_refused = response.status >= 300
        span, _ = parse_content_range(response.headers.get("content-range")) or (None, None)
        return StoreReply(
            status=response.status,
            code=error_word("Code", document) if is_refused else "",
            region=word(response.headers.get("x-amz-bucket-region"))
            or (error_word("Region", document) if is_refused else "")
            or None,
            date=parse_http_date(response.headers.get("date")),
            keys=None if is_refused else _listed(document),
            is_first_byte=not is_refused and span == ByteSpan(0, 1),
        )


def _listed(document: bytes) -> tuple[str, ...] | None:
    """The keys of what may be recordings in a listing with ``encoding-type=url``; None of other documents."""
    with suppress(ElementTree.ParseError, ValueError, LookupError):  # the last two: encodings that expat does not have
        # Expat fetches nothing, and limits itself what entities may expand to; the document has 64 KB at most.
        listing = ElementTree.fromstring(document)  # noqa: S314  # nosec B314
        if listing.tag.rpartition("}")[2] == "ListBucketResult":
            objects = [item for item in listing.iterfind("{*}Contents") if item.findtext("{*}Size") != "0"]
            keys = [unquote_plus(item.findtext("{*}Key", "")) for item in objects]
            return tuple(key for key in keys if key_is_askable(key))
    return None
