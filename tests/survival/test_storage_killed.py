"""The storage server's process is killed in the middle of a download; curl is the listener, gunicorn the server."""

from __future__ import annotations

import contextlib
import hashlib
import random
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.servers import find_program, stop, wait_until
from tests.servers.ceph import Ceph
from tests.servers.gunicorn import Gunicorn, GunicornFactory, host_source
from tests.servers.moto_s3 import Bucket
from tests.servers.origin import OriginFactory

KEY = "2024/05/long call.wav"
SIZE = 200_000_000
SEEN = 20_000_000  # bytes at the client when the gateway is killed: more than all buffers on the way hold

OPTIONS = "connect_timeout=1, read_timeout=2, resume_attempts=2, resume_timeout=5"


@pytest.fixture(scope="module")
def recording() -> bytes:
    return random.Random(7).randbytes(1_000_000) * (SIZE // 1_000_000)


def host(gunicorn: GunicornFactory, settings: Mapping[str, object]) -> Gunicorn:
    source = host_source(settings, {"token": KEY}, OPTIONS)
    return gunicorn(source, "--worker-class", "gthread", "--threads", "4")


@contextlib.contextmanager
def download(curl: str, server: Gunicorn, target: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A curl that takes 60 MB a second, so that the end is not yet on its way when the first bytes are seen."""
    url = f"{server.url}/api/v1/public/recordings/token"
    command = [curl, "--silent", "--show-error", "--limit-rate", "60M", "--output", str(target), url]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            wait_until(lambda: target.exists() and target.stat().st_size > SEEN, "the first bytes at curl")
            yield process
        finally:
            stop(process)


@pytest.mark.parametrize("has_fleet", [True, False])
def test_a_download_goes_on_from_a_fleet_host_when_the_storage_server_is_killed_and_is_visibly_cut_without_one(
    request: pytest.FixtureRequest,
    ceph: Ceph,
    ceph_bucket: Bucket,
    make_origin: OriginFactory,
    gunicorn: GunicornFactory,
    recording: bytes,
    tmp_path: Path,
    has_fleet: bool,
) -> None:
    curl = find_program(request, "curl", "curl")
    ceph_bucket.put(KEY, recording)
    behind = make_origin({KEY: recording}, secret="for this test only")
    server = host(gunicorn, {"minio": ceph_bucket.settings(), **(behind.fleet() if has_fleet else {})})
    target = tmp_path / "call.wav"

    with download(curl, server, target) as process, ceph.gateway.killed():
        assert process.wait(timeout=60) == (0 if has_fleet else 18)  # CURLE_PARTIAL_FILE

    received = target.read_bytes()
    if has_fleet:
        assert hashlib.sha256(received).digest() == hashlib.sha256(recording).digest()
        assert behind.requests, "the storage server had sent all before it was killed: nothing was shown"
    else:
        assert SEEN < len(received) < SIZE
        assert recording.startswith(received)
