"""The servers of a measurement: each in a session of its own, its CPU and memory read from /proc (Linux)."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

LOOPBACK = "127.0.0.1"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def find_program(name: str) -> str:
    """The path of a program; Absent, naming it, where there is none."""
    path = shutil.which(name, path=str(Path(sys.executable).parent))  # of a package beside this Python
    path = path or shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Absent(name)
    return path


class Absent(Exception):
    """Raised when a program or a package is not installed."""


@dataclass
class Server:
    """Processes of one session.

    Attributes:
        origin: where it answers, without a trailing slash.
        process: the first of them.
        companions: other sessions that belong to it.
        path: of a recording, with a place for its name.
    """

    origin: str
    process: subprocess.Popen[bytes]
    companions: list[Server] = field(default_factory=list)
    path: str = "/play/{}"

    def url(self, recording: str) -> str:
        """Where a recording plays."""
        return self.origin + self.path.format(recording)

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far, by the scheduler's count of nanoseconds.

        Threads that ended are included, processes that ended are not.
        """
        total = 0.0
        for pid, _ in self._stats():
            with suppress(OSError):  # it has ended meanwhile
                total += time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) gives for a process
        return total + sum(companion.cpu_seconds() for companion in self.companions)

    def memory_bytes(self) -> int:
        """Resident memory of all its processes; what they share counts for each."""
        own = sum(int(stat[21]) for _, stat in self._stats()) * os.sysconf("SC_PAGE_SIZE")
        return own + sum(companion.memory_bytes() for companion in self.companions)

    def stop(self) -> None:
        """Kill the session."""
        for companion in self.companions:
            companion.stop()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)

    def _stats(self) -> list[tuple[int, list[str]]]:
        """The id, and the fields of /proc/PID/stat behind the name, of each process of the session."""
        stats = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[3]) == self.process.pid:
                stats.append((int(path.parent.name), fields))
        return stats


def start(command: list[str], port: int, log: Path, environment: dict[str, str] | None = None) -> Server:
    """Start a command and wait until the port answers.

    Raises:
        RuntimeError: it ended, or the port did not answer within 60 s; with the log's end.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - commands of this package
            command, stdout=output, stderr=output, start_new_session=True, env=inherited | (environment or {})
        )
    server = Server(f"http://{LOOPBACK}:{port}", process)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return server
        time.sleep(0.05)
    raise RuntimeError(f"{command[0]} does not answer:\n{log.read_text(errors='replace')[-2000:]}")


def raise_limits() -> None:
    """Let this process, and the servers that it starts, open as many files as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Certificate(NamedTuple):
    """Paths of a certificate and its key."""

    path: Path
    key: Path


def make_certificate(directory: Path) -> Certificate:
    """Write a certificate for the loopback address that signs itself, and its key."""
    certificate = Certificate(directory / "certificate.pem", directory / "key.pem")
    command = [find_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    # nginx looks for an address among the names, all others among the addresses.
    names = f"subjectAltName=IP:{LOOPBACK},DNS:{LOOPBACK}"
    command += ["-nodes", "-days", "2", "-subj", "/CN=benchmark", "-addext", names]
    command += ["-keyout", str(certificate.key), "-out", str(certificate.path)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return certificate


def start_nginx(
    directory: Path, body: str, http: str = "access_log off;", certificate: Certificate | None = None
) -> Server:
    """Nginx with two workers, on a free port.

    Args:
        directory: for its files; made here.
        body: the content of the server block.
        http: what is next to it.
        certificate: with which it speaks TLS.
    """
    program, port = find_program("nginx"), free_port()
    directory.mkdir()
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    tls = "reuseport;"
    if certificate:
        tls = f"reuseport ssl; ssl_certificate {certificate.path}; ssl_certificate_key {certificate.key};"
    paths = " ".join(f"{name}_temp_path {directory}/{name};" for name in _TEMPORARY)
    (directory / "nginx.conf").write_text(
        f"daemon off; worker_processes 2; worker_rlimit_nofile {limit}; pid {directory}/pid;\n"
        f"error_log {directory}/error.log;\n"
        f"events {{ worker_connections 16384; }} http {{ {paths} sendfile on; keepalive_requests 1000000;\n"
        f"{http} server {{ listen {LOOPBACK}:{port} {tls} {body} }} }}\n"
    )
    log = directory / "error.log"
    command = [program, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(log)]
    server = start(command, port, log)
    return replace(server, origin=server.origin.replace("http:", "https:")) if certificate else server
