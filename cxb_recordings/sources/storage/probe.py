"""Single questions to a store for the doctor: the whole reply, where playback needs a verdict only.

What a reply means for an operator is not decided here.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, unquote_plus
from xml.etree import ElementTree  # nosec B405

from urllib3 import BaseHTTPResponse

from ...endpoints import origin_of
from ...playback.byte_range import ByteSpan, parse_content_range
from ...playback.conditions import parse_http_date
from ...playback.source import key_is_askable
from ..http_source import UpstreamBody
from ..reply import request_id, word
from .client import ObjectStorage, error_word

_PAGE = re.compile(rb"\s*(?:<\?xml[^>]{0,200}>\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StoreReply:
    """What a store answered.

    Attributes:
        status: the HTTP status.
        code: S3's word for an error, such as ``NoSuchBucket``; empty where there is none.
        region: the region that the store names; None where it names none.
        date: the store's clock, whole seconds; None where it does not tell.
        foreign: what the document is, where it is no store's: ``a web page`` or ``JSON``; else empty.
        leads_to: of a redirect, scheme and host of the address; empty where there is none that may be shown.
        request_id: see :func:`cxb_recordings.sources.reply.request_id`.
        keys: of a listing, those of objects that may be recordings, without empty ones; None where it is no listing.
        is_first_byte: whether it says that it carries the first byte and no other, as ``bytes=0-0`` asks for.
    """

    status: int
    code: str
    region: str | None
    date: datetime | None
    foreign: str = ""
    leads_to: str = ""
    request_id: str = ""
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
        return self._read(self.source.exchange("GET", key, {"Range": "bytes=0-0"}))

    def list_some(self, prefix: str = "", count: int = 10) -> StoreReply:
        """Ask which keys begin with `prefix`, for `count` of them at most.

        Raises:
            SourceUnavailable: there was no reply.
        """
        query = f"?encoding-type=url&list-type=2&max-keys={count}"
        query += f"&prefix={quote(prefix, safe='~')}" if prefix else ""
        return self._read(self.source.exchange("GET", "", {}, query))

    def exists(self, key: str) -> bool:
        """Whether HEAD finds a key.

        Raises:
            SourceUnavailable: there was no reply.
        """
        response = self.source.exchange("HEAD", key, {})
        UpstreamBody(response).close()
        return response.status == 200 and not _foreign(response.headers.get("content-type", ""), b"")

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
            foreign=_foreign(response.headers.get("content-type", ""), document),
            leads_to=origin_of(response.headers.get("location", "")),
            request_id=request_id(response.headers),
            keys=None if is_refused else _listed(document),
            is_first_byte=not is_refused and span == ByteSpan(0, 1),
        )


def _foreign(media_type: str, document: bytes) -> str:
    if _PAGE.match(document) or media_type.startswith("text/html"):
        return "a web page"
    return "JSON" if media_type.startswith("application/json") else ""


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
