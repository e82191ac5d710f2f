"""The measurements themselves: each takes a server and gives one or two figures."""

from __future__ import annotations

import re
import socket
import statistics
import subprocess
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

from .servers import Server

GIGABYTE = 1e9


def load(wrk: str, server: Server, path: str, seconds: int) -> tuple[float, float]:
    """Requests per second over 8 connections, and the server's CPU in ms for each."""
    before = server.cpu_seconds()
    command = [wrk, "-t1", "-c8", f"-d{seconds}s", "--timeout", "20s", server.url + path]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    cpu = server.cpu_seconds() - before
    failed = re.search(r"(?:Non-2xx[^\n]*|Socket errors: connect [1-9][^\n]*)", output)
    if failed:
        raise RuntimeError(f"{server.url}{path}: {failed[0]}")
    requests = int(re.search(r"(\d+) requests in", output)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])  # type: ignore[index]
    return rate, cpu * 1000 / max(requests, 1)


def big_file(curl: str, server: Server, path: str, size: int) -> float:
    """CPU seconds of the server for each GB, one transfer at a time."""
    before = server.cpu_seconds()
    report = ["-w", "%{size_download}"]
    command = [curl, "-sS", "-f", "-o", "/dev/null", *report, server.url + path]
    received = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603
    if received != size:
        raise RuntimeError(f"{server.url}{path}: {received} bytes instead of {size}")
    return (server.cpu_seconds() - before) * GIGABYTE / size


def first_bytes(server: Server, path: str, count: int) -> tuple[float, float]:
    """Milliseconds to the first byte of a body, over new connections: median and 99th percentile."""
    times = []
    address = urlsplit(server.url)
    for _ in range(count):
        with socket.create_connection((str(address.hostname), address.port or 80), timeout=30) as client:
            started = time.perf_counter()
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            received = b""
            while b"\r\n\r\n" not in received or received.endswith(b"\r\n\r\n"):
                chunk = client.recv(65536)
                if not chunk:
                    raise RuntimeError(f"{path}: no body")
                received += chunk
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def slow_streams(server: Server, path: str, count: int) -> float:
    """Memory in bytes for each of `count` streams whose clients read a little and then wait."""
    address = urlsplit(server.url)
    before = server.memory_bytes()
    with ExitStack() as stack:
        for _ in range(count):
            client = socket.socket()
            stack.enter_context(client)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.settimeout(30)
            client.connect((str(address.hostname), address.port or 80))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            if not client.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{path}: no 200")
        time.sleep(2)  # until each stream's buffers are full
        return (server.memory_bytes() - before) / count
