"""The servers of a measurement: each in a session of its own, its CPU and memory read from /proc (Linux)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_OFFLOAD = """
location = /_protected/ {{ internal; set $url $upstream_http_x_storage_url; set $part $upstream_http_x_storage_range;
  proxy_pass $url; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Range $part;
  proxy_set_header Authorization ""; proxy_max_temp_file_size 0; proxy_buffers 8 64k; proxy_buffer_size 64k; }}
"""


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """Processes of one session.

    Attributes:
        url: where it answers, without a trailing slash.
        process: the first of them.
    """

    url: str
    process: subprocess.Popen[bytes]
    companions: list[Server] = field(default_factory=list)

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far, those that ended included."""
        total = sum(sum(map(int, stat[11:15])) for stat in self._stats()) / TICKS
        return total + sum(companion.cpu_seconds() for companion in self.companions)

    def memory_bytes(self) -> int:
        """Resident memory of all its processes."""
        return sum(int(stat[21]) for stat in self._stats()) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """Kill the session."""
        for companion in self.companions:
            companion.stop()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)

    def _stats(self) -> list[list[str]]:
        """The fields of /proc/PID/stat behind the name, of each process of the session."""
        stats = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[3]) == self.process.pid:
                stats.append(fields)
        return stats


def start(command: list[str], port: int, log: Path, environment: dict[str, str] | None = None) -> Server:
    """Start a command and wait until the port answers.

    Raises:
        RuntimeError: it ended, or the port did not answer within 20 s; with the log's end.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - commands of this package
            command, stdout=output, stderr=output, start_new_session=True, env=os.environ | (environment or {})
        )
    server = Server(f"http://127.0.0.1:{port}", process)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.05)
    raise RuntimeError(f"{command[0]} does not answer:\n{log.read_text(errors='replace')[-2000:]}")


def start_nginx(program: str, directory: Path, port: int, body: str, http: str = "") -> Server:
    """Nginx with two workers.

    Args:
        program: its path.
        directory: for its files; made here.
        port: where it listens.
        body: what stands in the server block.
        http: what stands beside that.
    """
    directory.mkdir()
    paths = " ".join(f"{name}_temp_path {directory}/{name};" for name in _TEMPORARY)
    (directory / "nginx.conf").write_text(
        f"daemon off; worker_processes 2; pid {directory}/pid; error_log {directory}/error.log;\n"
        f"events {{ worker_connections 1024; }} http {{ {paths} sendfile on; keepalive_requests 1000000;\n"
        f"{http or 'access_log off;'} server {{ listen 127.0.0.1:{port} reuseport; {body} }} }}\n"
    )
    log = directory / "error.log"
    command = [program, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(log)]
    return start(command, port, log)


def start_store(program: str, directory: Path, files: Path) -> Server:
    """Nginx that serves files as an S3 store does, so that the store is not what is measured.

    ``/slow/`` gives them at 4 MB a second; the access log counts the requests.
    """
    body = f"root {files}; location /slow/ {{ alias {files}/; limit_rate 4m; }}"
    counted = f"log_format method '$request_method'; access_log {directory}/requests.log method;"
    return start_nginx(program, directory, free_port(), body, counted)


def start_proxy(program: str, directory: Path, store: Server) -> Server:
    """Nginx in front of the store: the limit of what a proxy can do."""
    port, target = free_port(), store.url.removeprefix("http://")
    body = (
        "location /play/ { rewrite ^/play/(.*)$ /recordings/$1.wav break; proxy_pass http://store;"
        ' proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 8 64k; proxy_buffer_size 64k;'
        " proxy_max_temp_file_size 0; }"
    )
    return start_nginx(
        program, directory, port, body, f"access_log off; upstream store {{ server {target}; keepalive 32; }}"
    )


def start_host(name: str, store_url: str, log: Path, threads: int = 4) -> Server:
    """Gunicorn with two workers and an application of :mod:`benchmarks.hosts`."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
    command += ["--worker-class", "gthread", "--threads", str(threads), "--keep-alive", "30", "--timeout", "120"]
    return start([*command, f"benchmarks.hosts:{name}()"], port, log, {"BENCH_S3": store_url})


def start_offload(program: str, directory: Path, store: Server, log: Path) -> Server:
    """The library behind an nginx that fetches the bytes; both count."""
    host, port = start_host("offload", store.url, log), free_port()
    target = host.url.removeprefix("http://")
    body = 'location /play/ { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }'
    upstream = f"access_log off; upstream app {{ server {target}; keepalive 32; }}"
    server = start_nginx(program, directory, port, body + _OFFLOAD.format(), upstream)
    server.companions.append(host)
    return server
