"""What the recordings are read from: nginx that serves files as an S3 store does, and Ceph's gateway."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .servers import LOOPBACK, find_program, start_nginx

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
    """

    name: str
    origin: str
    access_key: str = "key"
    secret_key: str = "secret"
    log: Path | None = None

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


def start_stand_in(stack: ExitStack, directory: Path, files: Path, *, is_slow: bool = False) -> Store:
    """Nginx as the store, so that the store is not what is measured; a slow one gives 4 MB a second.

    It has each recording in every numbered folder as well.
    """
    log = directory / "requests.log"
    rate = f"limit_rate {SLOW_BYTES_PER_SECOND};" if is_slow else ""
    counted = f"log_format connection $connection; access_log {log} connection;"
    server = start_nginx(directory, f"root {files}; {rate} rewrite ^/{BUCKET}/[0-9]+/(.*)$ /{BUCKET}/$1;", counted)
    stack.callback(server.stop)
    return Store("nginx serving files", server.origin, log=log)


def start_ceph(stack: ExitStack, directory: Path, files: Path) -> Store:
    """Ceph's gateway on a throw-away node, as the tests have it.

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
    return Store("Ceph's gateway", ceph.endpoint.replace("localhost", LOOPBACK), ceph.access_key, ceph.secret_key)
