"""Tests of each source by itself; what all sources do alike is tested in ``tests/contracts``."""

from __future__ import annotations

from cxb_recordings.playback.source import OpenedRecording, RecordingSource
from cxb_recordings.sources.fleet import FleetHost, FleetHostSettings, make_session
from cxb_recordings.sources.storage.client import ObjectStorage
from cxb_recordings.sources.storage.presigning import presign_get_object
from cxb_recordings.sources.storage.settings import StorageSettings
from cxb_recordings.sources.transport import Transport
from tests.servers.moto_s3 import S3Server


def read(opened: OpenedRecording) -> bytes:
    data = b"".join(iter(lambda: opened.body.read(65536), b""))
    opened.body.close()
    return data


def signs_as_boto3(storage: StorageSettings, key: str) -> bool:
    """Whether our signed URL is that of a boto3 client, whose clock may tick meanwhile."""
    server = S3Server(
        storage.endpoint_url, storage.access_key, storage.secret_key, storage.region, storage.session_token
    )
    client, arguments = server.client(), {"Params": {"Bucket": storage.bucket, "Key": key}, "ExpiresIn": 60}
    before = client.generate_presigned_url("get_object", **arguments)
    ours = presign_get_object(storage, key, 60)
    return ours in (before, client.generate_presigned_url("get_object", **arguments))


def storage(url: str, ca_bundle: str | None = None, read_timeout: float = 5) -> RecordingSource:
    settings = StorageSettings(url, "us-east-1", "b", "key", "secret")
    return ObjectStorage(settings, Transport(5, read_timeout, ca_bundle))


def fleet(url: str, ca_bundle: str | None = None, read_timeout: float = 5) -> RecordingSource:
    return FleetHost(make_session(ca_bundle), FleetHostSettings(url), Transport(5, read_timeout))
