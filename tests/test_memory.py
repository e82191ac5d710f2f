"""A recording of 2 GB passes through a worker whose memory does not grow with it (Linux only: it reads ``/proc``)."""

from __future__ import annotations

import http.client
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .servers.gunicorn import GunicornFactory, host_source

GB = 2**30
GROWTH = 30 * 2**20
RECORDING = "hole.wav"  # all of it is a hole: it takes no room on the disk
PATH = "/api/v1/public/recordings/token"


class _Origin(socketserver.ThreadingTCPServer):
    """Answers every request with a file, out of the kernel: a store or a fleet host that costs next to nothing."""

    daemon_threads = True
    file: Path


class _Handler(socketserver.StreamRequestHandler):
    server: _Origin

    def handle(self) -> None:
        with suppress(ConnectionError), self.server.file.open("rb") as file:
            while request := b"".join(iter(self.rfile.readline, b"\r\n")):
                length = self.server.file.stat().st_size
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: %d\r\n\r\n" % length)
                if request.startswith(b"GET"):
                    self.connection.sendfile(file)


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[str]:
    """The URL of a server with one recording, a file that the test makes as long as it likes."""
    with _Origin(("127.0.0.1", 0), _Handler) as server:
        server.file = tmp_path / RECORDING
        threading.Thread(target=server.serve_forever, args=(0.002,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def resident(pid: int, name: str) -> int:
    """Bytes of a process in memory: VmRSS now, VmHWM at most since :func:`forget_peak`."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields[name].split()[0]) * 1024


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def play(url: str, *, whole: bool) -> int:
    """How many bytes come, counted without keeping them; some, where not the `whole` is wanted."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("GET", PATH)
    answer = connection.getresponse()
    assert answer.status == 200
    buffer, received = bytearray(2**20), 0
    while (whole or received < 2**20) and (count := answer.readinto(buffer)):
        assert not any(buffer[:count:4096])
        received += count
    connection.close()
    return received


@pytest.mark.parametrize(
    ("kind", "size"), [pytest.param("storage", 2 * GB, marks=pytest.mark.full), ("fleet", GB // 2)]
)
def test_a_recording_of_2_gb_streams_with_less_than_30_mb_growth(
    kind: str, size: int, origin: str, gunicorn: GunicornFactory, tmp_path: Path
) -> None:
    with (tmp_path / RECORDING).open("wb") as file:
        file.truncate(size)
    keys = {"access_key": "access-key", "secret_key": "secret-key"}
    storage = {"minio": {"endpoint": origin, "bucket": "recordings", **keys}}
    settings = storage if kind == "storage" else {"cxbcore_fleet": [origin]}
    source = host_source(settings, {"token": "a.wav"}) + "service.warm_up()\n"
    server = gunicorn(source, "--worker-class", "gthread", "--threads", "2")
    [worker] = server.worker_pids()
    play(server.url, whole=False)  # whatever is imported or made for the first listener
    forget_peak(worker)
    before = resident(worker, "VmRSS")

    assert play(server.url, whole=True) == size

    growth = resident(worker, "VmHWM") - before
    print(f"{kind}: {growth / 2**20:.1f} MB")
    assert growth < GROWTH
