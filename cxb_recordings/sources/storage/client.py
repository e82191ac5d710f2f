"""S3-compatible object storage: requests signed by botocore, sent by urllib3.

boto3's own ``get_object`` costs three times the CPU (measured for 1 KB: 1.2 ms against 0.4 ms), hides urllib3's
``read1``, follows a store's redirects and fails on dates that it can't read. URLs are signed in ``presigning``. Which
bytes are asked for when storage breaks, and what the client gets, is not decided here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, MutableMapping
from contextlib import closing, suppress
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout

from ...errors import RangeNotSatisfiable, RecordingArchived, RecordingMissing, SourceUnavailable
from ...playback.byte_range import RangeRequest
from ...playback.pace import PacedBody
from ...playback.source import ContentInfo
from ..http_source import HttpSource, UpstreamBody
from ..reply import status_failure, word
from ..strict_http import POOLS
from ..tls import client_context
from ..transport import Transport
from .presigning import object_path, presign_get_object
from .settings import StorageSettings

POOL_SIZE = 100  # connections kept for reuse; more may be open while more requests are in progress
SHORT_DOCUMENT = 65536  # bytes: an error, or a listing of a few keys
SIGNED_SECONDS = 60  # for which a signature is used again; stores take it for 15 minutes
DOCUMENT_SECONDS = 2.0  # after which no read begins: the status is known, and a listener waits

Pools = MutableMapping[str, HTTPConnectionPool]  # by the endpoint's URL

ARCHIVED = "InvalidObjectState"  # S3's code for a GET of an object that is in an archive
_ARCHIVES = frozenset(("GLACIER", "DEEP_ARCHIVE"))  # not GLACIER_IR, which is read at once
_RESTORE = re.compile(r"""ongoing-request\s*=\s*"?(\w*)""")  # x-amz-restore: ongoing-request="false", expiry-date="…"

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "cxb_recordings"}


class ObjectStorage(HttpSource):
    """A bucket as a source of recordings. Thread-safe; its connections must not be shared across a fork."""

    name = "storage"

    def __init__(self, storage: StorageSettings, transport: Transport, pools: Pools | None = None) -> None:
        """Read from the bucket of `storage`. Nothing is connected before the first request.

        Args:
            storage: whose endpoint, credentials and bucket.
            transport: how to connect.
            pools: those of other storages with this transport; a bucket at one of their endpoints shares its pool.
        """
        self.identity = (storage.endpoint_url, storage.bucket)
        self._settings = storage
        self._origin = storage.endpoint_url
        self._bucket = storage.bucket
        self._signer = S3SigV4Auth(
            Credentials(storage.access_key, storage.secret_key, storage.session_token), "s3", storage.region
        )
        # A listener who seeks asks for one recording again and again.
        self._signed_headers = lru_cache(maxsize=256)(self._sign)
        self._timeout = Timeout(connect=transport.connect_timeout, read=transport.read_timeout)
        self._ca_bundle = transport.ca_bundle
        self._pools: Pools = {} if pools is None else pools
        self._pool: HTTPConnectionPool | None = None
        with suppress(OSError):  # an unreadable CA file is retried and reported by each request
            self._pool = self._make_pool()

    def signed_url(self, key: str, seconds: int) -> str:
        """See :class:`cxb_recordings.playback.source.SignsUrls`."""
        return presign_get_object(self._settings, key, seconds)

    def send(self, method: str, key: str, headers: Mapping[str, str], query: str = "") -> BaseHTTPResponse:
        """See :meth:`HttpSource.send`.

        Args:
            method: GET or HEAD.
            key: the storage key, as it is; empty for the bucket itself.
            headers: those that are not signed.
            query: percent-encoded already, with its question mark.
        """
        path = object_path(self._bucket, key) if key else f"/{self._bucket}"
        signed = self._signed_headers(method, path + query, time.time() // SIGNED_SECONDS)
        pool = self._pool = self._pool or self._make_pool()
        return pool.urlopen(
            method,
            path + query,
            headers={**headers, **signed},
            retries=False,  # another try is the search's decision or the stream's, and a redirect is no answer
            redirect=False,
            preload_content=False,
            decode_content=False,
        )

    def refuse(self, response: BaseHTTPResponse) -> NoReturn:
        """See :meth:`HttpSource.refuse`."""
        code = error_word("Code", self.read_document(response)) if response.status >= 400 else ""
        if response.status == 404 and code != "NoSuchBucket":
            raise RecordingMissing("storage has no such key")
        if response.status == 403 and code == ARCHIVED:
            raise RecordingArchived("archived: storage must restore it before anyone can read it")
        raise status_failure(response.status, response.headers, code)

    def require_readable(self, headers: Mapping[str, str]) -> None:
        """See :meth:`HttpSource.require_readable`."""
        if archive := archive_of(headers):
            raise RecordingArchived(f"archived ({archive}): storage must restore it before anyone can read it")

    def describe(self, key: str) -> ContentInfo:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.describe`."""
        try:
            return super().describe(key)
        except RecordingArchived:
            # MinIO's tiers, SeaweedFS and rclone's server keep such a class as a mere name: only GET tells.
            with suppress(RecordingMissing, SourceUnavailable, RangeNotSatisfiable):
                return self._read_first_byte(key)
            raise
        except RecordingMissing:
            # The 404 of a HEAD has no body that could tell an absent key from an absent bucket; that of a GET has.
            opened = self.open(key)
            opened.body.close()
            return opened.info

    def _read_first_byte(self, key: str) -> ContentInfo:
        opened = self.open(key, RangeRequest(0, 0))
        with closing(opened.body) as body:
            if not body.read(1):
                raise SourceUnavailable("the first byte did not come")
        return opened.info

    def read_document(self, response: BaseHTTPResponse) -> bytes:
        """Read what there is of a short document, an error or a listing, and free the connection."""
        body = PacedBody(UpstreamBody(response), DOCUMENT_SECONDS, time.monotonic, time.monotonic() + DOCUMENT_SECONDS)
        document = b""
        # What came tells enough: the status is known, and some servers delimit an error page by closing.
        with closing(body), suppress(SourceUnavailable):
            while len(document) < SHORT_DOCUMENT and (chunk := body.read(SHORT_DOCUMENT - len(document))):
                document += chunk
        return document

    def _sign(self, method: str, target: str, _period: float) -> dict[str, str]:
        """The headers of a request that are the same for all its ranges; cached for a period."""
        signed = AWSRequest(method, self._origin + target)
        self._signer.add_auth(signed)
        return {**_HEADERS, **dict(signed.headers.items())}

    def _make_pool(self) -> HTTPConnectionPool:
        if pool := self._pools.get(self._origin):
            return pool
        options: dict[str, Any] = {}
        if self._origin.startswith("https:"):
            options["ssl_context"] = client_context(self._ca_bundle)
        origin = urlsplit(self._origin)
        make = POOLS[origin.scheme]
        pool = make(origin.hostname or "", origin.port, maxsize=POOL_SIZE, timeout=self._timeout, **options)
        self._pools[self._origin] = pool
        return pool


def archive_of(headers: Mapping[str, str]) -> str:
    """The archive that a HEAD's headers name; empty where, in S3, a GET would read the object (API of HeadObject)."""
    if "x-amz-archive-status" in headers and (status := headers["x-amz-archive-status"].strip()):
        return word(status) or "x-amz-archive-status"
    if "x-amz-storage-class" not in headers:
        return ""
    classes = {name.strip().upper() for name in headers["x-amz-storage-class"].split(",")}
    # A restored copy is there, next to the archived object, once no request for one is in progress.
    is_restored = set(_RESTORE.findall(headers.get("x-amz-restore", "").lower())) == {"false"}
    return "" if is_restored else min(classes & _ARCHIVES, default="")


def error_word(element: str, document: bytes) -> str:
    """What an element of S3's error document says; empty where there is none, or it is no plain word."""
    match = re.search(rf"<{element}>([^<]*)</", document.decode("ascii", "replace"))
    return word(match[1]) if match else ""
