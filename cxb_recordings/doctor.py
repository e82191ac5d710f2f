"""The operational checks: each a function that asks the live parts one question and returns findings.

How findings are shown lives in ``web.cli``; what happens to one recording in ``trace``. Whatever a part raises becomes
a finding.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

from .calls.repository import CallRepository, utc_now
from .calls.tokens import mint_recording_access_token
from .endpoints import StorageHost
from .errors import NotModified, RangeNotSatisfiable, RecordingMissing, SourceUnavailable
from .findings import Finding, Status, unreachable, what
from .options import Options
from .playback.byte_range import RangeRequest
from .service import RecordingService
from .settings import STORAGE_FIELDS, StorageSettings, SystemSettings
from .sources.fleet import FleetHost
from .sources.probes import StorageProbe, StoreReply, fleet_hosts

SKEW_REFUSED = 900  # seconds: stores refuse a signature that is older or younger (RequestTimeTooSkewed)
SKEW_SUSPECT = 60  # seconds: no clock that is kept in time is off by as much

_KEY_CODES = {
    "InvalidAccessKeyId": ("minio.access_key", "the store does not know the access key"),
    "ExpiredToken": ("minio.session_token", "the temporary credentials have expired"),
    "InvalidToken": ("minio.session_token", "the store does not know the session token"),
    "SignatureDoesNotMatch": ("minio.secret_key", "the secret key does not belong to the access key"),
}
_REGION_CODES = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException")


def diagnose(service: RecordingService, call_repo: CallRepository) -> list[Finding]:
    """Check settings, storage, fleet and repository; takes as long as the parts that don't answer.

    Args:
        service: of the registration; its options bound each attempt.
        call_repo: the registration's.

    Returns:
        The findings in causal order.
    """
    settings, findings = live_settings(service)
    if settings is not None:
        findings += check_settings(settings)
        findings += check_storage(settings, service.options)
        findings += check_fleet(settings, service.options)
    return [*findings, *check_repository(call_repo)]


def live_settings(service: RecordingService) -> tuple[SystemSettings | None, list[Finding]]:
    """The settings as they are now; None, with the finding that says why, where the provider fails."""
    try:
        return service.settings(), []
    except Exception as exc:  # noqa: BLE001 - the provider is the host's code and may raise anything
        remedy = "make the settings provider return the system settings; until then every playback fails"
        return None, [Finding("failure", "settings", f"the provider raised {what(exc)}", remedy)]


def check_settings(settings: SystemSettings) -> Iterator[Finding]:
    """Whether the settings are complete and well-formed."""
    for fault in settings.faults:
        used = "it is left out" if fault.field.startswith("cxbcore_") else "object storage is skipped"
        yield Finding("failure", fault.field, fault.problem, f"correct it in the system settings; until then {used}")
    for fault in settings.misnamed:
        yield Finding(
            "warning", fault.field, fault.problem, "correct the name in the system settings, or leave it away"
        )
    if not settings.faults:
        yield Finding("ok", "settings", "every field that is there is well-formed")


# --- Storage


def check_storage(settings: SystemSettings, options: Options) -> Iterator[Finding]:
    """Whether the store is reached, keeps the same time and region, and lets the key read the bucket."""
    storage = settings.storage
    if storage is None:
        if not any(fault.field.startswith(("minio", "settings")) for fault in settings.faults):
            fields = ", ".join(f"minio.{name}" for name in STORAGE_FIELDS)
            status: Status = "warning" if settings.fleet else "failure"
            yield Finding(status, "storage", "not configured: skipped", f"set {fields}, if recordings are there")
        return
    probe = StorageProbe(storage, options.transport())
    try:
        reply = probe.read_first_byte(f"cxb-recordings-doctor/{uuid.uuid4().hex}")
    except SourceUnavailable as exc:
        yield unreachable("storage endpoint", storage.endpoint_url, exc)
        return
    yield Finding("ok", "storage endpoint", f"{storage.endpoint_url} answers")
    yield from check_clock(reply, utc_now())
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
    elif part.status == 403:
        yield Finding("failure", "storage credentials", f"{seen}: the key may not read", "allow s3:GetObject")
    else:
        remedy = "a proxy in front of the store may drop Range: players can't seek without"
        yield Finding("failure", "storage range", seen, remedy)


# --- Fleet


def check_fleet(settings: SystemSettings, options: Options) -> Iterator[Finding]:
    """Whether there are fleet hosts, each is reached, and each accepts its secret."""
    if not settings.fleet:
        status: Status = "warning" if settings.storage else "failure"
        remedy = "add the fleet hosts to cxbcore_fleet: until then storage is the only source"
        yield Finding(status, "cxbcore_fleet", "there is no usable fleet host: the fleet is never asked", remedy)
        return
    for host, asked in zip(settings.fleet, fleet_hosts(settings, options.transport()), strict=True):
        yield _check_host(asked, has_secret=host.secret is not None)
        if host.base_url in settings.plain_http_hosts and not options.require_https_fleet:
            seen = "plain http: the secret and the recordings can be read on the way"
            yield Finding("warning", host.base_url, seen, "give the host a certificate, and an https:// URL here")
        if host.secret is None:
            seen = "no secret is sent"
            yield Finding("warning", host.base_url, seen, "set cxbcore_secret, or this host's secret")


def _check_host(host: FleetHost, *, has_secret: bool) -> Finding:
    try:
        host.open(f"cxb-recordings-doctor-{uuid.uuid4().hex}", RangeRequest(0, 0)).body.close()
    except RecordingMissing:
        accepted = ", and accepts the secret" if has_secret else ""
        return Finding("ok", host.name, f"answers 404 for a key that can't exist{accepted}")
    except SourceUnavailable as exc:
        return host_failure(host.name, exc, has_secret=has_secret)
    except (RangeNotSatisfiable, NotModified):
        pass
    remedy = "look whether the URL leads to a CXB Core: something else answers there"
    return Finding("failure", host.name, "claims to have a key that can't exist", remedy)


def host_failure(name: str, exc: SourceUnavailable, *, has_secret: bool) -> Finding:
    """Why a fleet host could not be used."""
    if exc.status in (401, 403):
        meaning = "the X-CXBCore-Secret is refused" if has_secret else "it wants a secret, and none is configured"
        remedy = "set cxbcore_secret, or this host's own secret, to the host's"
        return Finding("failure", name, f"status {exc.status}: {meaning}", remedy, http_status=exc.status)
    if exc.status is not None:
        remedy = "look at the host's own log"
        if 300 <= exc.status < 400:
            remedy = "put the URL that it leads to into cxbcore_fleet: redirects are not followed"
        return Finding("failure", name, exc.reason, remedy, http_status=exc.status)
    if exc.responded:
        return Finding("failure", name, exc.reason, "give the host an https:// URL, or unset require_https_fleet")
    return unreachable(name, name, exc)


# --- Repository


def check_repository(call_repo: CallRepository) -> Iterator[Finding]:
    """Whether the repository answers, knows no call that can't exist, and has its indexes."""
    try:
        found = [
            call_repo.find_by_session_id(f"cxb-recordings-doctor-{uuid.uuid4().hex}"),
            call_repo.find_by_access_token(mint_recording_access_token()),
        ]
        # Optional: a repository of the host's own need not know of indexes.
        missing_indexes: list[str] = getattr(call_repo, "missing_indexes", list[str])()
    except Exception as exc:  # noqa: BLE001 - the repository is the host's code and may raise anything
        remedy = "look whether the database runs and lets this process in; every playback gives 503 until then"
        yield Finding("failure", "repository", f"{type(call_repo).__name__} raised {what(exc)}", remedy)
        return
    if found != [None, None]:
        remedy = "check its queries: any guess opens that call"
        yield Finding("failure", "repository", "it finds a call for what can't exist", remedy)
    else:
        yield Finding("ok", "repository", f"{type(call_repo).__name__} answers")
    if missing_indexes:
        seen = f"no index on {', '.join(missing_indexes)}: each playback reads every call"
        yield Finding("warning", "repository indexes", seen, "call ensure_indexes() at the worker's start")
    elif hasattr(call_repo, "missing_indexes"):
        yield Finding("ok", "repository indexes", "they are there")
