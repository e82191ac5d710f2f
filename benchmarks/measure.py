"""The measurements themselves: each takes a server and gives figures by name."""

from __future__ import annotations

import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from .servers import Server, find_program
from .stores import SIZES, Store

GIGABYTE = 1e9
CONNECTIONS = 8

Figures = dict[str, float]


_started = time.monotonic()


def say(text: str) -> None:
    """Show progress."""
    print(f"[{time.monotonic() - _started:5.0f} s] {text}", file=sys.stderr, flush=True)


def load(server: Server, recording: str, seconds: int) -> Figures:
    """Requests per second over 8 connections, and the server's CPU in ms for each."""
    before = server.cpu_seconds()
    url = server.url(recording)
    command = [find_program("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "20s", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    cpu = server.cpu_seconds() - before
    failed = re.search(r"(?:Non-2xx[^\n]*|Socket errors: connect [1-9][^\n]*)", output)
    if failed:
        raise RuntimeError(f"{url}: {failed[0]}")
    requests = int(re.search(r"(\d+) requests in", output)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])  # type: ignore[index]
    return {
        f"{recording}_requests_per_s": rate,
        f"{recording}_cpu_ms": cpu * 1000 / max(requests, 1),
        "requests": requests,
    }


def big_file(server: Server, times: int) -> Figures:
    """CPU seconds of the server for each GB: 200 MB some times over."""
    before = server.cpu_seconds()
    url, size = server.url("200mb"), SIZES["200mb"]
    command = [find_program("curl"), "-sS", "-f", "-w", "%{size_download}\n", *["-o", "/dev/null", url] * times]
    received = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
    if received != [str(size)] * times:
        raise RuntimeError(f"{url}: {received} bytes instead of {size} each")
    return {"200mb_cpu_s_per_gb": (server.cpu_seconds() - before) * GIGABYTE / size / times}


def first_bytes(server: Server, recording: str, count: int, *, patience: float = 30) -> Figures:
    """Milliseconds to the first byte of a body, over new connections: median and 99th percentile.

    Raises:
        TimeoutError: nothing came within `patience` seconds.
    """
    times = []
    for _ in range(count):
        started = time.perf_counter()
        with ask(server, recording, patience) as client:
            received = b""
            while not (end := received.partition(b"\r\n\r\n"))[2]:
                chunk = client.recv(65536)
                if not chunk:
                    raise RuntimeError(f"{recording}: no body")
                received += chunk
            times.append((time.perf_counter() - started) * 1000)
        if b" 200 " not in end[0].partition(b"\r\n")[0]:
            raise RuntimeError(f"{recording}: {end[0][:40]!r}")
    return {"first_byte_ms": statistics.median(times), "first_byte_p99_ms": statistics.quantiles(times, n=100)[98]}


def upstream(server: Server, store: Store, recording: str, count: int) -> Figures:
    """Requests at the store for each client GET, and the connections that they came over."""
    before = store.requests()
    first_bytes(server, recording, count)
    deadline = time.monotonic() + 5
    while (store.requests() - before).total() < count and time.monotonic() < deadline:
        time.sleep(0.05)
    seen = store.requests() - before
    return {"upstream_requests": seen.total() / count, "upstream_connections": len(seen)}


@contextmanager
def ask(server: Server, recording: str, patience: float = 30) -> Iterator[socket.socket]:
    """A connection of its own with a request on the way, and a small buffer, as of a slow listener."""
    url = urlsplit(server.url(recording))
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(patience)
        client.connect((str(url.hostname), url.port or 80))
        client.sendall(f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode())
        yield client
