"""Real services from environment variables, instead of the embedded ones. README.md has the table."""

from __future__ import annotations

import os
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection

_STORAGE = {
    "endpoint": "CXB_MINIO_ENDPOINT",
    "access_key": "CXB_MINIO_ACCESS_KEY",
    "secret_key": "CXB_MINIO_SECRET_KEY",
    "bucket": "CXB_MINIO_BUCKET",
    "region": "CXB_MINIO_REGION",
}


def storage() -> dict[str, str] | None:
    """The ``minio`` section of the system settings; None where no variable of it is given.

    Raises:
        ValueError: some variables are given and others are missing; names these.
    """
    section = {field: os.environ[variable] for field, variable in _STORAGE.items() if os.environ.get(variable)}
    missing = [variable for field, variable in _STORAGE.items() if field not in section and field != "region"]
    if section and missing:
        raise ValueError(f"a real store needs these variables too: {', '.join(missing)}")
    return section or None


def fleet() -> list[dict[str, str]] | None:
    """The ``cxbcore_fleet`` section; None where no host is given."""
    secret = os.environ.get("CXB_FLEET_SECRET")
    hosts = [url.strip() for url in os.environ.get("CXB_FLEET", "").split(",") if url.strip()]
    return [{"url": url} | ({"secret": secret} if secret else {}) for url in hosts] or None


def calls() -> Collection[dict[str, Any]] | None:
    """The MongoDB collection with the calls; None where no URI is given."""
    uri = os.environ.get("CXB_MONGODB_URI")
    if not uri:
        return None
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    return client.get_default_database("cxb")[os.environ.get("CXB_MONGODB_COLLECTION") or "calls"]
