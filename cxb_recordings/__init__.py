"""Call recordings behind short, stable links: what a host imports, and nothing else."""

from typing import TYPE_CHECKING

from ._version import __version__
from .availability import Availability
from .calls.repository import (
    CallRepository,
    InMemoryCallRepository,
    InMemorySettingsProvider,
    Link,
    TokenStore,
    recording_key_from_call,
    require_aware,
)
from .calls.tokens import mint_recording_access_token
from .errors import (
    InvalidRegistration,
    MissingAccessToken,
    RecordingError,
    RepositoryUnavailable,
    SettingsError,
)
from .links import build_public_recording_url, crm_recording_url, crm_url_problem
from .registration import register
from .service import RecordingService
from .storage_urls import (
    enrich_call_with_accessible_url,
    extract_s3_key_from_url,
    generate_signed_url,
    generate_temporary_public_url,
)
from .web.responses import stream_recording_key

if TYPE_CHECKING:
    from .calls.mongo import MongoCallRepository, MongoSettingsProvider
else:

    def __getattr__(name: str) -> object:
        # pymongo takes 70 ms and 7 MB, which only those pay who ask for it.
        if name in ("MongoCallRepository", "MongoSettingsProvider"):
            from .calls import mongo

            return getattr(mongo, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Availability",
    "CallRepository",
    "InMemoryCallRepository",
    "InMemorySettingsProvider",
    "InvalidRegistration",
    "Link",
    "MissingAccessToken",
    "MongoCallRepository",
    "MongoSettingsProvider",
    "RecordingError",
    "RecordingService",
    "RepositoryUnavailable",
    "SettingsError",
    "TokenStore",
    "__version__",
    "build_public_recording_url",
    "crm_recording_url",
    "crm_url_problem",
    "enrich_call_with_accessible_url",
    "extract_s3_key_from_url",
    "generate_signed_url",
    "generate_temporary_public_url",
    "mint_recording_access_token",
    "recording_key_from_call",
    "register",
    "require_aware",
    "stream_recording_key",
]
