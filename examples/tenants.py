"""Storage by call: each tenant of the call centre has a bucket of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cxb_recordings.calls.repository import Call

TENANTS = ("iberia", "nordic")  # a real host has them in its database


def settings_by_call(
    settings_provider: Callable[[], Mapping[str, Any]],
) -> Callable[[Call | None], Mapping[str, Any]]:
    """A provider that the library gives the call, since it requires an argument.

    Args:
        settings_provider: returns the system settings, with the bucket for calls that belong to no tenant.
    """

    def settings_of(call: Call | None) -> Mapping[str, Any]:
        return for_tenant(settings_provider(), None if call is None else call.get("tenant"))

    return settings_of


def for_tenant(settings: Mapping[str, Any], tenant: str | None) -> Mapping[str, Any]:
    """The system settings with the tenant's bucket, such as ``recordings-nordic``."""
    storage = settings.get("minio")
    if tenant not in TENANTS or not storage or not storage.get("bucket"):
        return settings
    return {**settings, "minio": {**storage, "bucket": f"{storage['bucket']}-{tenant}"}}
