"""What a store's refusal means, in an operator's words. What is asked for it lives in ``checks``."""

from __future__ import annotations

from urllib.parse import urlsplit

from ...findings import Check, Finding
from ..reach import wrong_scheme
from .probe import StoreReply
from .settings import StorageSettings

_KEY, _STATE, _BUCKET = Check.STORAGE_CREDENTIALS, Check.STORAGE_STATE, Check.STORAGE_BUCKET
_PERMISSION = Check.STORAGE_PERMISSION
_NEW_TOKEN = "get new temporary credentials (STS), and put all three into the system settings"  # noqa: S105  # nosec B105
_KMS = "allow kms:Decrypt on the key that encrypts the bucket, and look whether it is enabled"
_WAIT = "the store is busy: ask its operator for more, or have fewer listeners at once (max_streams)"

# S3's word for an error: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and those of MinIO.
_CODES: dict[str, tuple[Check, str, str]] = {
    "InvalidAccessKeyId": (_KEY, "the store does not know the access key", "correct minio.access_key"),
    "SignatureDoesNotMatch": (_KEY, "the secret key does not belong to the access key", "correct minio.secret_key"),
    "ExpiredToken": (_KEY, "the temporary credentials have expired", _NEW_TOKEN),
    "TokenRefreshRequired": (_KEY, "the temporary credentials have expired", _NEW_TOKEN),
    "InvalidToken": (_KEY, "the store does not know the session token", "correct minio.session_token"),
    "InvalidSecurity": (_KEY, "the store does not accept the credentials", "correct minio.access_key and its secret"),
    "AccountProblem": (_KEY, "the store has a problem with the account", "ask the operator of the store"),
    "AllAccessDisabled": (_PERMISSION, "all access to the bucket is disabled", "ask the operator of the store"),
    "NoSuchBucket": (
        _BUCKET,
        "there is no bucket {bucket}",
        "correct minio.bucket, or minio.endpoint if the bucket is in another place",
    ),
    "InvalidBucketName": (_BUCKET, "the store allows no bucket named {bucket}", "correct minio.bucket"),
    "SlowDown": (_STATE, "the store asks for fewer requests", _WAIT),
    "SlowDownRead": (_STATE, "the store asks for fewer requests", _WAIT),
    "TooManyRequests": (_STATE, "the store asks for fewer requests", _WAIT),
    "ServiceUnavailable": (_STATE, "the store is busy, or a part of it is down", _WAIT),
    "InternalError": (_STATE, "the store itself fails", "look at the store's own log, or ask its operator"),
    "XMinioServerNotInitialized": (_STATE, "the store is still starting", "wait, then look at its own log"),
    "QuotaExceeded": (_STATE, "the account has used up its quota", "ask the operator of the store"),
    "KMS.DisabledException": (_PERMISSION, "the key that encrypts the object is disabled", _KMS),
    "KMS.NotFoundException": (_PERMISSION, "the key that encrypts the object is gone", _KMS),
    "KMS.InvalidStateException": (_PERMISSION, "the key that encrypts the object can't be used", _KMS),
}
_REGION_CODES = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException")


def is_of_region(reply: StoreReply) -> bool:
    """Whether a refusal means that another region must be signed for."""
    return reply.code in _REGION_CODES or (reply.status == 301 and not reply.code and reply.region is not None)


def named_cause(reply: StoreReply, storage: StorageSettings) -> Finding | None:
    """What a reply says by itself, whatever was asked; None where that depends on the question.

    Args:
        reply: to any request for an object or a listing.
        storage: whose endpoint and bucket are named.
    """
    seen = f"status {reply.status} {reply.code}".rstrip()
    if reply.code in _CODES:
        of, meaning, remedy = _CODES[reply.code]
        return _finding(of, f"{seen}: {meaning.format(bucket=storage.bucket)}", remedy, reply)
    if reply.status == 400 and not reply.code and (wrong := wrong_scheme(storage.endpoint_url)):
        return _finding(Check.STORAGE_ENDPOINT, f"{storage.endpoint_url}: {wrong[0]}", wrong[1], reply)
    if reply.status >= 500 or reply.status == 429:
        is_proxy = reply.status in (502, 504)
        meaning = "a proxy in front of the store does not reach it" if is_proxy else "the store itself fails"
        return _finding(_STATE, f"{seen}: {meaning}", "look at the store's own log, or ask its operator", reply)
    if reply.foreign and (reply.status >= 300 or not reply.request_id):  # a store may hold a page, too
        seen = f"what answers is {reply.foreign}, no S3 API (status {reply.status}): is this the console's port?"
        remedy = "set minio.endpoint to the address of the S3 API, without a login page or a portal in front of it"
        return _finding(Check.STORAGE_ENDPOINT, seen, remedy, reply)
    if 300 <= reply.status < 400 and not is_of_region(reply):
        return _redirect(reply, seen, storage)
    return None


def _redirect(reply: StoreReply, seen: str, storage: StorageSettings) -> Finding:
    to = f" to {reply.leads_to}" if reply.leads_to else ""
    here, there = urlsplit(storage.endpoint_url), urlsplit(reply.leads_to)
    if (here.scheme, there.scheme, there.hostname) == ("http", "https", here.hostname):
        remedy = "write https:// in minio.endpoint: redirects are not followed"
        return _finding(Check.STORAGE_ENDPOINT, f"{seen}: {storage.endpoint_url} redirects{to}", remedy, reply)
    meaning = "the bucket is still moving to its region" if reply.code == "TemporaryRedirect" else "it redirects"
    remedy = "set minio.endpoint to the address that it leads to: redirects are not followed"
    return _finding(Check.STORAGE_ENDPOINT, f"{seen}: {meaning}{to}", remedy, reply)


def _finding(of: Check, seen: str, remedy: str, reply: StoreReply) -> Finding:
    return Finding("failure", of, seen, remedy, request_id=reply.request_id)
