"""What the recordings are read from: nginx that serves files as an S3 store does, and Ceph's gateway."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .servers import LOOPBACK, Certificate, find_program, start_nginx

BUCKET = "recordings"
SIZES = {"1kb": 1_000, "1mb": 1_000_000, "200mb": 200_000_000}
SLOW_BYTES_PER_SECOND = 4_000_000


@dataclass(frozen=True)
class Store:
    """A store that has the recordings of :data:`SIZES`, readable without a signature as well.

    Attributes:
        name: what the report calls it.
        origin: its URL, without a trailing slash.
        log: where nginx counts requests; None for a real store.
        certificate: path of the one to trust where the store speaks TLS.
    """

    name: str
    origin: str
    access_key: str = "key"
    secret_key: str = "secret"
    log: Path | None = None
    certificate: Path | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return self.origin.partition("://")[2]

    def requests(self) -> Counter[str]:
        """Requests so far, by the connection that they came over."""
        return Counter(self.log.read_text().split()) if self.log else Counter()


def make_files(directory: Path) -> Path:
    """Write the recordings; returns the folder above the bucket's."""
    folder = directory / "files" / BUCKET
    folder.mkdir(parents=True)
    for name, size in SIZES.items():
        block = min(size, 1_000_000)
        (folder / f"{name}.wav").write_bytes(os.urandom(block) * (size // block))
    return folder.parent


def start_stand_in(
    stack: ExitStack, directory: Path, files: Path, certificate: Certificate | None = None, *, is_slow: bool = False
) -> Store:
    """Nginx as the store, so that the store is not what is measured; a slow one gives 4 MB a second.

    It has each recording in every numbered folder as well.
    """
    log = directory / "requests.log"
    rate = f"limit_rate {SLOW_BYTES_PER_SECOND};" if is_slow else ""
    counted = f"log_format connection $connection; access_log {log} connection;"
    body = f"root {files}; {rate} rewrite ^/{BUCKET}/[0-9]+/(.*)$ /{BUCKET}/$1;"
    server = start_nginx(directory, body, counted, certificate)
    stack.callback(server.stop)
    return Store("nginx serving files", server.origin, log=log, certificate=certificate and certificate.path)


def start_ceph(stack: ExitStack, directory: Path, files: Path, certificate: Certificate) -> Store:
    """Ceph's gateway on a throw-away node, as the tests have it, behind an nginx that speaks TLS.

    Raises:
        Absent: it is not installed.
    """
    from tests.servers.ceph import PROGRAMS, Node  # needs the `test` extra

    node = Node(directory, {name: find_program(name) for name in PROGRAMS})
    directory.mkdir()
    stack.callback(node.stop)
    ceph = node.start()
    client = ceph.client()
    client.create_bucket(Bucket=BUCKET, ACL="public-read")
    for path in (files / BUCKET).iterdir():
        client.put_object(
            Bucket=BUCKET, Key=path.name, Body=path.read_bytes(), ContentType="audio/wav", ACL="public-read"
        )
    body = (
        f"location / {{ proxy_pass {ceph.endpoint.replace('localhost', LOOPBACK)}; proxy_set_header Host $http_host; "
    )
    body += "client_max_body_size 0; proxy_max_temp_file_size 0; proxy_buffers 8 64k; proxy_buffer_size 64k; }"
    front = start_nginx(directory / "front", body, certificate=certificate)
    stack.callback(front.stop)
    return Store("Ceph's gateway", front.origin, ceph.access_key, ceph.secret_key, certificate=certificate.path)
