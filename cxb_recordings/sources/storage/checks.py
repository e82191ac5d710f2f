"""The operator's checks of a store: each a function that asks it one question and returns findings."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from urllib.parse import urlsplit

from ...endpoints import StorageHost
from ...errors import SourceUnavailable
from ...findings import Finding, Status, unreachable
from .client import ARCHIVED, ObjectStorage
from .probe import StorageProbe, StoreReply
from .settings import StorageSettings

SKEW_REFUSED = 900  # seconds: stores refuse a signature that is older or younger (RequestTimeTooSkewed)
SKEW_SUSPECT = 60  # seconds: no clock that is kept in time is off by as much

_KEY_CODES = {
    "InvalidAccessKeyId": ("minio.access_key", "the store does not know the access key"),
    "ExpiredToken": ("minio.session_token", "the temporary credentials have expired"),
    "InvalidToken": ("minio.session_token", "the store does not know the session token"),
    "SignatureDoesNotMatch": ("minio.secret_key", "the secret key does not belong to the access key"),
}
_REGION_CODES = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException")


def check_store(storage: StorageSettings, source: ObjectStorage) -> Iterator[Finding]:
    """Whether the store is reached, keeps the same time and region, and lets the key read the bucket."""
    probe = StorageProbe(source)
    try:
        reply = probe.read_first_byte(f"cxb-recordings-doctor/{uuid.uuid4().hex}")
    except SourceUnavailable as exc:
        yield unreachable("storage endpoint", storage.endpoint_url, exc)
        return
    yield Finding("ok", "storage endpoint", f"{storage.endpoint_url} answers")
    yield from check_clock(reply, datetime.now(timezone.utc))
    yield from check_region(reply, storage)
    yield from _check_bucket(probe, reply, storage)


def check_clock(reply: StoreReply, now: datetime) -> Iterator[Finding]:
    """Whether the store's clock and the one of this machine agree."""
    if reply.date is None:
        yield Finding("warning", "clock", "the store tells no time", "compare this machine's clock by hand")
        return
    skew = (now - reply.date).total_seconds()
    seen = f"this machine is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the store"
    if abs(skew) >= SKEW_REFUSED or reply.code == "RequestTimeTooSkewed":
        remedy = f"set the clocks (NTP): signatures more than {SKEW_REFUSED} s off are refused"
        yield Finding("failure", "clock", seen, remedy)
    elif abs(skew) >= SKEW_SUSPECT:
        yield Finding(
            "warning", "clock", seen, f"set the clocks (NTP): from {SKEW_REFUSED} s on, signatures are refused"
        )
    else:
        yield Finding("ok", "clock", seen)


def check_region(reply: StoreReply, storage: StorageSettings) -> Iterator[Finding]:
    """Whether the region that is signed for is the one that the store names, and that the endpoint implies."""
    refused = reply.code in _REGION_CODES or reply.status == 301
    implied = StorageHost.parse(urlsplit(storage.endpoint_url).hostname or "").region
    signed = f"{storage.region} is signed for"
    if reply.region is not None and reply.region != storage.region:
        remedy = f'set minio.region to "{reply.region}", or minio.endpoint to that region\'s'
        status: Status = "warning" if reply.status in (200, 206, 404) else "failure"
        yield Finding(status, "storage region", f"{signed}, the store names {reply.region}", remedy)
    elif refused:
        seen = f"status {reply.status} {reply.code}: {signed}, which is not the bucket's region"
        yield Finding("failure", "storage region", seen, "set minio.region to the bucket's, minio.endpoint likewise")
    elif implied not in (None, storage.region):
        remedy = "leave minio.region away, so that it is inferred, or correct minio.endpoint"
        yield Finding("warning", "storage region", f"{signed}, the endpoint implies {implied}", remedy)
    else:
        told = "the store names it, too" if reply.region else "the store names no other"
        yield Finding("ok", "storage region", f"{signed}, {told}")


def _check_bucket(probe: StorageProbe, reply: StoreReply, storage: StorageSettings) -> Iterator[Finding]:
    seen = f"status {reply.status} {reply.code}".rstrip()
    if reply.code in _KEY_CODES:
        field, meaning = _KEY_CODES[reply.code]
        yield Finding("failure", "storage credentials", f"{seen}: {meaning}", f"correct {field}")
    elif reply.code == "NoSuchBucket":
        remedy = "correct minio.bucket, or minio.endpoint if the bucket is in another place"
        yield Finding("failure", "storage bucket", f"{seen}: there is no bucket {storage.bucket}", remedy)
    elif reply.status == 403:
        if reply.code != "RequestTimeTooSkewed":
            yield from _check_refusal(probe, seen)
    elif reply.status == 404:
        yield from _check_reading(probe, storage)
    elif reply.code not in _REGION_CODES and reply.status != 301:
        remedy = "ask the operator of the store: a key that can't exist should give 404"
        yield Finding("failure", "storage bucket", f"{seen} for a key that can't exist", remedy)


def _check_refusal(probe: StorageProbe, seen: str) -> Iterator[Finding]:
    """403 for a key that can't exist: the key may not list, or may do nothing at all."""
    try:
        listing = probe.list_some()
    except SourceUnavailable as exc:
        yield unreachable("storage endpoint", "the store", exc)
        return
    if listing.status == 200 and listing.keys is None:
        yield _no_store()
        return
    if listing.status == 200:
        remedy = "allow s3:GetObject on the whole bucket"
        yield Finding("failure", "storage credentials", f"{seen}: the key may list, and not read", remedy)
        return
    yield Finding(
        "failure",
        "storage permission",
        f"{seen} for a key that can't exist, and for a listing: the key may not list, or may not read at all",
        "allow s3:ListBucket and s3:GetObject; trace a recording that is surely there to tell the two apart",
    )


def _no_store() -> Finding:
    seen = "status 200 for a listing, with a document that is none (no ListBucketResult)"
    remedy = "look whether minio.endpoint leads to the store: something else answers there, such as a login page"
    return Finding("failure", "storage bucket", seen, remedy)


def _check_reading(probe: StorageProbe, storage: StorageSettings) -> Iterator[Finding]:
    try:
        listing = probe.list_some()
        if listing.status == 200 and listing.keys is None:
            yield _no_store()
            return
        yield Finding("ok", "storage bucket", f"{storage.bucket} is there, and the key is accepted")
        if listing.status != 200:
            seen = f"a listing gives status {listing.status} {listing.code}".rstrip()
            yield Finding("ok", "storage permission", f"{seen}, but a missing key gives 404")
            return
        yield Finding("ok", "storage permission", "the key may list: a missing recording gives 404")
        if not listing.keys:
            remedy = "look whether minio.bucket is the one with the recordings"
            yield Finding("warning", "storage range", f"{storage.bucket} is empty: no range could be read", remedy)
            return
        part = probe.read_first_byte(listing.keys[0])
    except SourceUnavailable as exc:
        yield unreachable("storage endpoint", storage.endpoint_url, exc)
        return
    seen = f"a ranged read gives status {part.status} {part.code}".rstrip()
    if part.is_first_byte:  # rclone's server sends it with 200
        yield Finding("ok", "storage range", f"{seen}, and the byte that was asked for")
    elif part.code == ARCHIVED:
        remedy = "trace a recent recording: the one that a listing begins with is archived"
        yield Finding("warning", "storage range", f"{seen}: no range could be read", remedy)
    elif part.status == 403:
        yield Finding("failure", "storage credentials", f"{seen}: the key may not read", "allow s3:GetObject")
    else:
        remedy = "a proxy in front of the store may drop Range: players can't seek without"
        yield Finding("failure", "storage range", seen, remedy)
