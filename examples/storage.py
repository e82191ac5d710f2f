"""Recordings on their way into object storage. Reading them is the library's part."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache
from typing import IO, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cxb_recordings.sources.storage.settings import StorageSettings


class StorageRefused(Exception):
    """Raised when storage does not take a recording."""


class RecordingStore:
    """Puts recordings into the bucket of the settings that each call brings. Thread-safe."""

    def __init__(self) -> None:
        """Nothing is connected yet."""
        self._lock = threading.Lock()
        self._made: tuple[StorageSettings, Any] | None = None

    def make_bucket(self, storage: StorageSettings) -> None:
        """Make the bucket where it is absent.

        Raises:
            StorageRefused: it can't be made, or storage can't be reached.
        """
        client = self._client(storage)
        try:
            try:
                client.head_bucket(Bucket=storage.bucket)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise
                client.create_bucket(Bucket=storage.bucket)
        except (BotoCoreError, ClientError) as error:
            raise StorageRefused(str(error)) from error

    def put(self, storage: StorageSettings, key: str, body: IO[bytes] | bytes, media_type: str) -> None:
        """Store a recording.

        Raises:
            StorageRefused: storage can't be reached, or does not take it.
        """
        try:
            self._client(storage).put_object(Bucket=storage.bucket, Key=key, Body=body, ContentType=media_type)
        except (BotoCoreError, ClientError) as error:
            raise StorageRefused(str(error)) from error

    def _client(self, storage: StorageSettings) -> Any:
        store = replace(storage, bucket="")  # tenants' buckets share a client
        with self._lock:
            if self._made is None or self._made[0] != store:
                self._made = (store, _make_client(storage))
            return self._made[1]


@cache  # the first client of a session takes ten times as long as the others
def _session() -> boto3.session.Session:
    # No profile and no proxy of the environment has a say in where recordings go.
    return boto3.session.Session(botocore_session=botocore.session.Session({"profile": (None, None, None, None)}))


def _make_client(storage: StorageSettings) -> Any:
    return _session().client(
        "s3",
        endpoint_url=storage.endpoint_url,
        aws_access_key_id=storage.access_key,
        aws_secret_access_key=storage.secret_key,
        region_name=storage.region,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            proxies={},
            request_checksum_calculation="when_required",
            connect_timeout=5,
            retries={"total_max_attempts": 2},
        ),
    )
