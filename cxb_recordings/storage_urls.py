"""URLs of object storage for host code: signed ones made, keys found in existing ones.

None of them belongs in a CRM: see ``links`` for what does. Which regions and hosts there are is read in ``endpoints``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .calls.repository import Call
from .endpoints import endpoint_url, find_object, region_from_endpoint
from .playback.source import key_is_askable
from .settings import SystemSettings, read_settings
from .sources.storage.presigning import presign_get_object

__all__ = [
    "DAY",
    "LONGEST_EXPIRY",
    "endpoint_url",
    "enrich_call_with_accessible_url",
    "extract_s3_key_from_url",
    "generate_signed_url",
    "generate_temporary_public_url",
    "region_from_endpoint",
]

DAY = 86400  # seconds
LONGEST_EXPIRY = 7 * DAY  # what SigV4 allows

Settings = Mapping[str, Any] | SystemSettings


def generate_signed_url(settings: Settings, key: str, expires_in: int = DAY) -> str:
    """A presigned URL that reads one recording. No request is made.

    Args:
        settings: the system settings.
        key: the storage key, as it is.
        expires_in: seconds from now, a day by default; more than the 7 days that SigV4 allows become 7 days.

    Returns:
        The URL; anyone who has it can read the recording until it expires.

    Raises:
        ValueError: `expires_in` is not above 0, or `key` is none that a store can have.
        SettingsError: storage is not configured; names the fields.
    """
    if isinstance(expires_in, bool) or not isinstance(expires_in, int) or expires_in <= 0:
        raise ValueError("expires_in: a whole number of seconds above 0 is needed")
    if not isinstance(key, str) or not key_is_askable(key):
        raise ValueError(
            "key: a storage key is needed: 1 to 1024 bytes, no slash at its end, no '.' or '..' segment, no control "
            "character"
        )
    return presign_get_object(read_settings(settings).require_storage(), key, min(expires_in, LONGEST_EXPIRY))


def generate_temporary_public_url(settings: Settings, key: str, minutes: int = 15) -> str:
    """A presigned URL as by :func:`generate_signed_url`, for some minutes.

    Args:
        settings: the system settings.
        key: the storage key, as it is.
        minutes: from now; more than 7 days of them become 7 days.

    Raises:
        ValueError: `minutes` is not above 0, or `key` is none that a store can have.
        SettingsError: storage is not configured; names the fields.
    """
    if isinstance(minutes, bool) or not isinstance(minutes, int) or minutes <= 0:
        raise ValueError("minutes: a whole number above 0 is needed")
    return generate_signed_url(settings, key, minutes * 60)


def extract_s3_key_from_url(url: object, bucket: str | None = None) -> str | None:
    """The storage key in a URL of object storage, signed or not.

    Args:
        url: a Spaces or AWS URL (virtual-hosted, path-style or of the CDN), or one of any other host, which is read
            as ``/{bucket}/{key}``, as MinIO has it. The service's method knows the configured endpoint, and so also a
            bucket in front of that.
        bucket: the bucket that the URL must name; None accepts any.

    Returns:
        The key, decoded once; None where `url` is no such URL, holds no key or names another bucket.
    """
    return find_object(url, bucket=bucket)


def enrich_call_with_accessible_url(call: Call, settings: Settings) -> dict[str, Any]:
    """A copy of a call whose ``recording_url`` plays: replaced by a fresh signed URL of 24 hours.

    Args:
        call: stays as it is. The key is its ``recording_key``, else the one in a ``recording_url`` of the configured
            bucket.
        settings: the system settings.

    Returns:
        The copy; unchanged where there is no key to be had or storage is not configured.
    """
    enriched = dict(call)
    system_settings = read_settings(settings)
    if system_settings.storage is None:
        return enriched
    key = call.get("recording_key")
    if not isinstance(key, str) or not key:
        storage = system_settings.storage
        key = find_object(call.get("recording_url"), storage.endpoint_url, storage.bucket)
    if key is not None and key_is_askable(key):
        enriched["recording_url"] = generate_signed_url(system_settings, key)
    return enriched
