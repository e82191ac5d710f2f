"""The section ``minio`` of the system settings: where object storage is, and how to read from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ...endpoints import StorageHost, endpoint_url, region_from_endpoint
from ...fields import (
    MISSING,
    Fault,
    Field,
    Outline,
    Scalar,
    Setting,
    origin_of,
    read_required,
    read_required_secret,
    read_secret,
    type_name,
)

SECTION = Field("minio")
# The synonyms are those of other S3 clients: boto3, rclone, the SDKs of MinIO.
FIELDS = (
    Field("endpoint", ("endpointurl", "s3endpoint", "host", "hostname", "url")),
    Field("access_key", ("accesskeyid", "awsaccesskeyid", "accessid", "s3accesskey"), short="access"),
    Field("secret_key", ("secretaccesskey", "awssecretaccesskey", "s3secretkey"), short="secret"),
    Field("bucket", ("bucketname", "s3bucket")),
    Field("region", ("regionname", "awsregion", "awsdefaultregion", "s3region")),
    Field("secure", ("usessl", "ssl", "usetls", "tls", "usehttps", "https", "issecure", "insecure")),
    Field("session_token", ("awssessiontoken", "securitytoken", "xamzsecuritytoken", "stssessiontoken", "ststoken")),
)
REQUIRED = tuple(f"minio.{field.name}" for field in FIELDS[:4])

# botocore takes a name that ends in --x-s3 for an S3 Express bucket, and sends it elsewhere than to the endpoint; for
# one in --op-s3, an alias of S3 on Outposts, it may refuse to sign.
_BUCKET = re.compile(r"(?!.*--(?:x|op)-s3\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)
_REGION = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where object storage is and how to read from it: complete, or not there at all.

    Attributes:
        endpoint_url: with a scheme, without a bucket.
        region: for signatures.
        bucket: the bucket's name.
        session_token: of temporary credentials (STS); None where they are lasting.
    """

    endpoint_url: str
    region: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def read(outline: Outline | Scalar, faults: list[Fault]) -> StorageSettings | None:
    """Read the outline of the section by :data:`FIELDS`; None where it is absent, or where there are faults."""
    if outline is None:
        return None
    if not isinstance(outline, Outline):
        faults.append(Fault("minio", f"a mapping is needed, not {type_name(outline)}"))
        return None
    endpoint, access_key, secret_key, bucket, region, secure, session_token = outline.values
    if secure is not None and not isinstance(secure, bool):
        faults.append(Fault("minio.secure", f"true or false is needed, not {type_name(secure)}"))
    url = _read_endpoint(endpoint, secure is not False, faults)
    read_access_key = read_required_secret(access_key, "minio.access_key", faults)
    read_secret_key = read_required_secret(secret_key, "minio.secret_key", faults)
    read_bucket = read_required(bucket, "minio.bucket", _BUCKET, faults)
    region = region_from_endpoint(url) if region in (None, "") else region
    read_region = read_required(region, "minio.region", _REGION, faults)
    token = read_secret(session_token, "minio.session_token", faults)
    if faults:
        return None
    return StorageSettings(url, read_region, read_bucket, read_access_key, read_secret_key, token)


def _read_endpoint(value: Scalar, secure: bool, faults: list[Fault]) -> str:
    if value is None or value == "":
        faults.append(Fault("minio.endpoint", MISSING))
        return ""
    try:
        return endpoint_url(value, secure=secure)  # type: ignore[arg-type]  # anything but a string is its ValueError
    except ValueError as exc:
        faults.append(Fault("minio.endpoint", str(exc)))
        return ""


def describe(section: Mapping[object, object], storage: StorageSettings | None) -> Iterator[Setting]:
    """What may be shown of the section: of each field where it comes from, and the value of what is no secret.

    Args:
        section: as it is in the system settings.
        storage: what it was read as; None where it has faults.
    """
    shown: dict[str, str | bool] = {}
    is_inferred: dict[str, bool] = {}  # of what is there without being given; else it is a default
    if storage is not None:
        secure = storage.endpoint_url.startswith("https://")
        shown = {"endpoint": storage.endpoint_url, "bucket": storage.bucket, "region": storage.region, "secure": secure}
        names_region = StorageHost.parse(urlsplit(storage.endpoint_url).hostname or "").region is not None
        is_inferred = {"region": names_region, "secure": "://" in str(section.get("endpoint"))}
    for each in FIELDS:
        origin = origin_of(section, each)
        if origin is None and each.name in is_inferred:
            origin = "inferred" if is_inferred[each.name] else "default"
        if origin is not None:
            yield Setting(f"minio.{each.name}", origin, shown.get(each.name))
