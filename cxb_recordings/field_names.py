"""Names of settings' fields that are nearly those that are read: what somebody meant, and did not get.

The sections may be shared with other programs, so that a field of theirs must not be named. No value is ever shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

SECTIONS = ("minio", "cxbcore_fleet", "cxbcore_secret")
STORAGE = ("endpoint", "access_key", "secret_key", "bucket", "region", "secure", "session_token")
SHORT = {"access_key": "access", "secret_key": "secret"}  # read where the full name is not there  # nosec B105
FLEET_HOST = ("url", "secret")

# What other S3 clients call the same thing (boto3, rclone, the SDKs of MinIO), in lower case and without separators.
_SYNONYMS = {
    "endpoint": ("endpointurl", "s3endpoint", "host", "hostname", "url"),
    "access_key": ("accesskeyid", "awsaccesskeyid", "accessid", "s3accesskey"),
    "secret_key": ("secretaccesskey", "awssecretaccesskey", "s3secretkey"),
    "bucket": ("bucketname", "s3bucket"),
    "region": ("regionname", "awsregion", "awsdefaultregion", "s3region"),
    "secure": ("usessl", "ssl", "usetls", "tls", "usehttps", "https", "issecure", "insecure"),
    "session_token": ("awssessiontoken", "securitytoken", "xamzsecuritytoken", "stssessiontoken", "ststoken"),
    "url": ("baseurl", "uri", "host", "hostname", "address", "endpoint"),
    "secret": ("cxbcoresecret", "xcxbcoresecret", "cxbcoresecretkey", "secretkey"),
    "cxbcore_fleet": ("cxbcorefleets", "cxbcorefleethosts", "cxbcorehosts"),
    "cxbcore_secret": ("cxbcoresecrets", "cxbcoresecretkey", "xcxbcoresecret"),
}
_NAME = re.compile(r"[A-Za-z0-9 ._-]{1,64}", re.ASCII)  # nothing else is ever shown
_CLOSE = 0.8  # a transposed pair of letters in six


def misnamed(section: Mapping[object, object], fields: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The names in a section that nearly are one of `fields` which is not there, each with that field.

    Args:
        section: whose names are looked at.
        fields: of :data:`SECTIONS`, :data:`STORAGE` or :data:`FLEET_HOST`.
    """
    absent = tuple(
        field for field in fields if _is_absent(section.get(field)) and _is_absent(section.get(SHORT.get(field, field)))
    )
    known = (*fields, *SHORT.values())
    found = ((name, _meant(name, absent)) for name in section if isinstance(name, str) and name not in known)
    return tuple((name, field) for name, field in found if field is not None)


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value)


@lru_cache(maxsize=4096)  # settings are read for each request
def _meant(name: str, fields: tuple[str, ...]) -> str | None:
    if not _NAME.fullmatch(name):
        return None
    bare = _bare(name)
    named = {_bare(field): field for field in fields}
    for field in fields:
        if bare in (_bare(field), *_SYNONYMS.get(field, ())):
            return field
    # A name that holds the whole field is another one: bucket_prefix, public_endpoint, access_keys.
    close = [known for known in get_close_matches(bare, named, n=1, cutoff=_CLOSE) if known not in bare]
    return named[close[0]] if close else None


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
