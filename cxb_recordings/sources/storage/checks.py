"""The operator's checks of a store: each a function that asks it one question and returns findings.

What a refusal means is said in ``refusals``, once for the doctor and for the trace of a recording.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from urllib.parse import urlsplit

from ...endpoints import StorageHost
from ...errors import NotARecording, SourceUnavailable
from ...findings import Check, Finding, Status
from ..reach import unreachable
from .client import ARCHIVED, ObjectStorage
from .probe import StorageProbe, StoreReply
from .refusals import is_of_region, named_cause
from .settings import StorageSettings

SKEW_REFUSED = 900  # seconds: stores refuse a signature that is older or younger (RequestTimeTooSkewed)
LISTED = 1000  # keys of a folder that are compared: one page of a listing
SKEW_SUSPECT = 60  # seconds: no clock that is kept in time is off by as much


def check_store(storage: StorageSettings, source: ObjectStorage) -> Iterator[Finding]:
    """Whether the store is reached, keeps the same time and region, and lets the key read the bucket."""
    probe = StorageProbe(source)
    try:
        reply = probe.read_first_byte(f"cxb-recordings-doctor/{uuid.uuid4().hex}")
        yield Finding("ok", Check.STORAGE_ENDPOINT, f"{storage.endpoint_url} answers")
        cause = named_cause(reply, storage)
        if cause is not None and cause.of is Check.STORAGE_ENDPOINT:  # no store: it has no clock and no region
            yield cause
            return
        yield from check_clock(reply, datetime.now(timezone.utc))
        yield from check_region(reply, storage)
        if cause is not None:
            yield cause
        elif not is_of_region(reply) and reply.code != "RequestTimeTooSkewed":
            yield from _check_bucket(probe, reply, storage)
    except SourceUnavailable as exc:
        yield unreachable(Check.STORAGE_ENDPOINT, "", storage.endpoint_url, exc)


def check_clock(reply: StoreReply, now: datetime) -> Iterator[Finding]:
    """Whether the store's clock and the one of this machine agree."""
    is_refused = reply.code == "RequestTimeTooSkewed"
    skew = None if reply.date is None else (now - reply.date).total_seconds()
    if skew is None:
        seen = f"status {reply.status} {reply.code}: the clocks differ too much" if is_refused else "the store has none"
    else:
        seen = f"this machine is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the store"
    if is_refused or abs(skew or 0) >= SKEW_REFUSED:
        remedy = f"set the clocks (NTP): signatures more than {SKEW_REFUSED} s off are refused"
        yield Finding("failure", Check.CLOCK, seen, remedy, request_id=reply.request_id)
    elif skew is None:
        yield Finding("warning", Check.CLOCK, "the store tells no time", "compare this machine's clock by hand")
    elif abs(skew) >= SKEW_SUSPECT:
        remedy = f"set the clocks (NTP): from {SKEW_REFUSED} s on, signatures are refused"
        yield Finding("warning", Check.CLOCK, seen, remedy)
    else:
        yield Finding("ok", Check.CLOCK, seen)


def check_region(reply: StoreReply, storage: StorageSettings) -> Iterator[Finding]:
    """Whether the region that is signed for is the one that the store names, and that the endpoint implies."""
    implied = StorageHost.parse(urlsplit(storage.endpoint_url).hostname or "").region
    signed = f"{storage.region} is signed for"
    if reply.region is not None and reply.region != storage.region:
        remedy = f'set minio.region to "{reply.region}", or minio.endpoint to that region\'s'
        status: Status = "warning" if reply.status in (200, 206, 404) else "failure"
        yield Finding(status, Check.STORAGE_REGION, f"{signed}, the store names {reply.region}", remedy)
    elif is_of_region(reply):
        seen = f"status {reply.status} {reply.code}: {signed}, which is not the bucket's region"
        remedy = "set minio.region to the bucket's, minio.endpoint likewise"
        yield Finding("failure", Check.STORAGE_REGION, seen, remedy)
    elif implied not in (None, storage.region):
        remedy = "leave minio.region away, so that it is inferred, or correct minio.endpoint"
        yield Finding("warning", Check.STORAGE_REGION, f"{signed}, the endpoint implies {implied}", remedy)
    else:
        told = "the store names it, too" if reply.region else "the store names no other"
        yield Finding("ok", Check.STORAGE_REGION, f"{signed}, {told}")


def _check_bucket(probe: StorageProbe, reply: StoreReply, storage: StorageSettings) -> Iterator[Finding]:
    """What the reply to a key that can't exist leaves open, by a listing and the first object in it."""
    if reply.status not in (403, 404):
        remedy = "ask the operator of the store: a key that can't exist should give 404"
        seen = f"{_status(reply)} for a key that can't exist"
        yield Finding("failure", Check.STORAGE_BUCKET, seen, remedy, request_id=reply.request_id)
        return
    listing = probe.list_some()
    if listing.status == 200 and listing.keys is None:
        seen = "status 200 for a listing, with a document that is none (no ListBucketResult)"
        remedy = "look whether minio.endpoint leads to the store: something else answers there, such as a login page"
        yield Finding("failure", Check.STORAGE_BUCKET, seen, remedy)
    elif reply.status == 403:
        yield _refused(reply, listing)
    else:
        yield from _check_listing(listing, storage, reply)
        if listing.keys:
            yield _check_range(probe, listing.keys[0], storage)


def _refused(reply: StoreReply, listing: StoreReply) -> Finding:
    """403 for a key that can't exist: the key may not list, or may do nothing at all."""
    if listing.status == 200:
        seen, remedy = f"{_status(reply)}: the key may list, and not read", "allow s3:GetObject on the whole bucket"
        return Finding("failure", Check.STORAGE_PERMISSION, seen, remedy, request_id=reply.request_id)
    return Finding(
        "failure",
        Check.STORAGE_PERMISSION,
        f"{_status(reply)} for a key that can't exist, and for a listing: the key may not list, or may not read at all",
        "allow s3:ListBucket and s3:GetObject; trace a recording that is surely there to tell the two apart",
        request_id=reply.request_id,
    )


def _check_listing(listing: StoreReply, storage: StorageSettings, reply: StoreReply) -> Iterator[Finding]:
    """404 for a key that can't exist: what a listing adds."""
    if listing.code == "NoSuchKey":
        seen = (
            "NoSuchKey for a listing: the store takes the bucket's name for a key, so minio.endpoint has a bucket in it"
        )
        remedy = f"take the bucket out of the host name of minio.endpoint ({storage.endpoint_url})"
        yield Finding("failure", Check.STORAGE_BUCKET, seen, remedy)
    elif not reply.code and listing.status != 200 and not listing.code:
        seen = f"{_status(reply)} without S3's error document: what answers is no S3 API"
        yield Finding("failure", Check.STORAGE_ENDPOINT, seen, "set minio.endpoint to the address of the S3 API")
    else:
        yield Finding("ok", Check.STORAGE_BUCKET, f"{storage.bucket} is there, and the key is accepted")
        if listing.status != 200:
            yield Finding("ok", Check.STORAGE_PERMISSION, f"a listing gives {_status(listing)}, but a missing key 404")
            return
        yield Finding("ok", Check.STORAGE_PERMISSION, "the key may list: a missing recording gives 404")
        if not listing.keys:
            remedy = "look whether minio.bucket is the one with the recordings"
            yield Finding("warning", Check.STORAGE_EMPTY, f"{storage.bucket} is empty: no range could be read", remedy)


def _check_range(probe: StorageProbe, key: str, storage: StorageSettings) -> Finding:
    part = probe.read_first_byte(key)
    seen = f"a ranged read gives {_status(part)}"
    if part.is_first_byte:  # rclone's server sends it with 200
        return Finding("ok", Check.STORAGE_RANGE, f"{seen}, and the byte that was asked for")
    if part.status == 403 and (part.code == "AccessDenied" or not part.code):
        return _denied(probe, key, part)
    if part.code == ARCHIVED:
        remedy = "trace a recent recording: the one that a listing begins with is archived"
        return Finding("warning", Check.STORAGE_RANGE, f"{seen}: no range could be read", remedy)
    if cause := named_cause(part, storage):
        return cause
    if part.status in (200, 206):
        seen = f"{seen}, and not the byte that was asked for: Range is dropped on the way"
    remedy = "look at a proxy in front of the store: players can't seek without ranges"
    return Finding("failure", Check.STORAGE_RANGE, seen, remedy, request_id=part.request_id)


def _denied(probe: StorageProbe, key: str, reply: StoreReply) -> Finding:
    """403 for an object that may be there."""
    if probe.exists(key):
        seen = f"{_status(reply)}: HEAD finds the object, and GET is denied"
        remedy = (
            "allow s3:GetObject; look for a bucket policy that denies it, and for kms:Decrypt of an encrypted bucket"
        )
    else:
        seen = f"{_status(reply)}: the key may not read it; or it is not there, and the key may not list"
        remedy = "allow s3:GetObject, and s3:ListBucket so that a missing recording gives 404"
    return Finding("failure", Check.STORAGE_PERMISSION, seen, remedy, request_id=reply.request_id)


def explain_refusal(storage: StorageSettings, source: ObjectStorage, key: str, exc: SourceUnavailable) -> Finding:
    """Why a recording could not be read that was asked for: asked once more, for the whole reply.

    Args:
        storage: the store's settings.
        source: the store.
        key: of the recording.
        exc: what came of it when it was asked for as playback does.
    """
    if not exc.responded:
        return unreachable(Check.STORAGE_ENDPOINT, "", storage.endpoint_url, exc)
    probe = StorageProbe(source)
    try:
        reply = probe.read_first_byte(key)
    except SourceUnavailable as gone:
        return unreachable(Check.STORAGE_ENDPOINT, "", storage.endpoint_url, gone)
    findings = [*check_clock(reply, datetime.now(timezone.utc)), *check_region(reply, storage)]
    cause = named_cause(reply, storage) or next((each for each in findings if each.status == "failure"), None)
    if cause is None and reply.status == 403:
        cause = _denied(probe, key, reply)
    if cause is None and isinstance(exc, NotARecording):
        seen, remedy = f"what is stored there is {exc.reason}", "look at how it was uploaded, and upload the recording"
        cause = Finding("failure", Check.STORAGE_OBJECT, seen, remedy)
    if cause is None:
        remedy = "look at the store's own log; `flask recordings doctor` looks at credentials, bucket, clock and region"
        cause = Finding("failure", Check.STORAGE_OBJECT, exc.reason, remedy, request_id=exc.request_id)
    return cause


def explain_absence(storage: StorageSettings, source: ObjectStorage, key: str) -> Finding | None:
    """Why a 404 for a recording is none of a store's; None where it is one."""
    try:
        reply = StorageProbe(source).read_first_byte(key)
    except SourceUnavailable as exc:
        return unreachable(Check.STORAGE_ENDPOINT, "", storage.endpoint_url, exc)
    return named_cause(reply, storage)


def _status(reply: StoreReply) -> str:
    return f"status {reply.status} {reply.code}".rstrip()


def similar_keys(source: ObjectStorage, key: str) -> list[str]:
    """The keys in the folder of `key` that differ from it in upper and lower case alone, where the key may list."""
    try:
        listing = StorageProbe(source).list_some(key[: key.rfind("/") + 1], LISTED)
    except SourceUnavailable:
        return []
    return [found for found in listing.keys or () if found != key and found.casefold() == key.casefold()]
