"""moto's S3 server, in a thread of the test process: quick, but no judge of signatures (it accepts wrong ones).

``S3Server``, ``S3Gateway`` and ``Bucket`` describe any S3 store, so that tests can be written once and run against
several.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from .daemon import Daemon


@cache  # the first client of a session costs ten times as much as the others
def _session() -> boto3.session.Session:
    """A session that ignores the environment's credentials, profiles and files."""
    nothing = (None, None, None, None)
    files = (None, None, os.devnull, None)
    isolated = botocore.session.Session({"profile": nothing, "config_file": files, "credentials_file": files})
    return boto3.session.Session(botocore_session=isolated)


@dataclass(frozen=True, slots=True)
class S3Server:
    """An S3 store that is running.

    Attributes:
        endpoint: its URL, with scheme and port.
        lost_keys: keys that this store refuses or does not give back, each with the reason.
    """

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    session_token: str | None = None
    lost_keys: Mapping[str, str] = field(default_factory=dict)

    def client(self) -> Any:
        """A boto3 client that ignores the environment's credentials, profiles, files and proxies."""
        return _session().client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.session_token,
            region_name=self.region,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                proxies={},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def new_bucket(self) -> Bucket:
        """An empty bucket under a name of its own."""
        bucket = Bucket(self, f"recordings-{uuid.uuid4().hex}", self.client())
        bucket.client.create_bucket(Bucket=bucket.name)
        return bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Gateway(S3Server):
    """An S3 store that checks signatures, and the process that speaks S3.

    One store serves all tests of a process: a test that kills or pauses a part brings it back, as
    :meth:`Daemon.killed` and :meth:`Daemon.paused` do.

    Attributes:
        gateway: speaks S3; what is stored outlives its process.
    """

    gateway: Daemon


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that exists, and a client that may do anything with it."""

    server: S3Server
    name: str
    client: Any

    def put(self, key: str, body: bytes, media_type: str = "audio/wav") -> None:
        """Store a recording."""
        self.client.put_object(Bucket=self.name, Key=key, Body=body, ContentType=media_type)

    def settings(self, **changes: object) -> dict[str, object]:
        """The ``minio`` section of the system settings for this bucket, with `changes`."""
        server = self.server
        section: dict[str, object] = {
            "endpoint": server.endpoint,
            "access_key": server.access_key,
            "secret_key": server.secret_key,
            "bucket": self.name,
        }
        return section | changes


@pytest.fixture(scope="session")
def moto_s3() -> Iterator[S3Server]:
    """moto's S3 server: one for each test process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Server(f"http://{host}:{port}", "test-access-key", "test-secret-key")
    server.stop()


@pytest.fixture
def moto_bucket(moto_s3: S3Server) -> Bucket:
    """An empty bucket of moto's server."""
    return moto_s3.new_bucket()


@pytest.fixture(params=["moto", "ceph", "seaweedfs", "rclone"])
def any_bucket(request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket of each S3 store in turn; the test runs once with each."""
    store: S3Server = request.getfixturevalue("moto_s3" if request.param == "moto" else request.param)
    return store.new_bucket()


@pytest.fixture(params=["ceph", "seaweedfs", "rclone"])
def judge(request: pytest.FixtureRequest) -> S3Gateway:
    """Each S3 store that checks signatures, in turn."""
    store: S3Gateway = request.getfixturevalue(request.param)
    return store


@pytest.fixture
def judge_bucket(judge: S3Gateway) -> Bucket:
    """An empty bucket of each S3 store that checks signatures, in turn."""
    return judge.new_bucket()
