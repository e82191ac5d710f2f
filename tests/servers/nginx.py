"""nginx in front of an application, with a configuration that a test, or a page of the documentation, brings."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from . import accepts_connections, find_program, tail, wait_until

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True, slots=True)
class Nginx:
    """An nginx that is running; its logs are in `directory`."""

    process: subprocess.Popen[bytes]
    directory: Path


class NginxFactory(Protocol):
    """Starts an nginx.

    Args:
        http: the content of the ``http`` block.
        port: where it listens, by that block.
    """

    def __call__(self, http: str, port: int) -> Nginx: ...


@pytest.fixture
def nginx(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NginxFactory]:
    """A factory of nginx servers, unprivileged, each with a directory of its own."""
    servers: list[Nginx] = []

    def start(http: str, port: int) -> Nginx:
        program = find_program(request, "nginx", "nginx-light")
        directory = tmp_path / f"nginx-{len(servers)}"
        (directory / "logs").mkdir(parents=True)
        paths = " ".join(f"{name}_temp_path {directory}/{name};" for name in _TEMPORARY)
        # Started by root, its workers would be somebody else, who may not write here.
        user = "user root; " if os.geteuid() == 0 else ""
        (directory / "nginx.conf").write_text(
            f"{user}daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/logs/error.log info;\n"
            f"events {{ worker_connections 512; }}\nhttp {{\n{paths}\naccess_log logs/access.log;\n{http}\n}}\n"
        )
        command = [program, "-p", str(directory), "-c", "nginx.conf", "-e", str(directory / "logs/error.log")]
        server = Nginx(subprocess.Popen(command, start_new_session=True), directory)
        servers.append(server)

        def listens() -> bool:
            if server.process.poll() is not None:
                raise RuntimeError(f"nginx ended:\n{tail(directory / 'logs/error.log')}")
            return accepts_connections(port)

        wait_until(listens, "nginx")
        return server

    yield start
    for server in servers:
        # SIGTERM ends the workers too; a killed master would leave them behind.
        server.process.terminate()
        try:
            server.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait(timeout=10)
