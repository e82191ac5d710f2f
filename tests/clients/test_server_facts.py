"""What the page on servers says of each: listeners at once, who leaves, ``max_streams``, HEAD, and no length."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest

from tests.servers.conversation import Received
from tests.servers.gunicorn import host_source
from tests.servers.origin import Origin
from tests.servers.replies import reply
from tests.servers.wsgi import FACTS, Facts, WsgiServer

DATA = bytes(range(256)) * 2000
LENGTH = 100_000_000  # of a recording that comes as slowly as nobody reads ahead, for ten minutes
PATIENCE = 30  # seconds, where an answer is expected
GONE_WITHIN = 8  # seconds


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """A fleet host: `slow` is LENGTH bytes; `whole` comes in chunks without a length, and so does `broken`, cut off."""

    def slow() -> Iterator[bytes]:
        yield reply(200, {"Content-Type": "audio/wav", "Content-Length": str(LENGTH)}, bytes(16_000))
        while host.pause(0.1):
            yield bytes(16_000)

    def answer(request: Received) -> bytes | Iterable[bytes]:
        if "slow" in request.target:
            head = {"Content-Type": "audio/wav", "Content-Length": str(LENGTH)}
            return reply(200, head) if request.method == "HEAD" else slow()
        chunk = b"%x\r\n%b\r\n" % (len(DATA), DATA)
        body = chunk + b"0\r\n\r\n" if "whole" in request.target else chunk[:-1000]
        head = {"Content-Type": "audio/wav", "Transfer-Encoding": "chunked"}
        return reply(200, head, b"" if request.method == "HEAD" else body, length=False)

    host = Origin(answer=answer)
    yield host
    host.stop()


@pytest.mark.parametrize("name", FACTS)
def test_the_page_on_servers_says_what_each_of_them_does(
    request: pytest.FixtureRequest, origin: Origin, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    keys = {key: key for key in ("slow", "whole", "broken")}
    source = host_source(origin.fleet(), keys, "max_streams=2, resume_attempts=0")
    server = WsgiServer(request, name, source, tmp_path_factory.mktemp("server"))
    try:
        server.start()
        assert measured(server.url, FACTS[name]) == FACTS[name]
    finally:
        server.kill()


def measured(url: str, expected: Facts) -> Facts:
    """What a server does; `expected` says only how long to wait for what should not come."""
    head, without_length = status_of_head(url), without_a_length(url)
    with ExitStack() as listeners:
        assert listen(url, listeners) == 200
        at_once = listen(url, listeners, PATIENCE if expected.at_once else 2) == 200
        max_streams = listen(url, listeners) == 503 if at_once else None
    gone = time.monotonic()
    frees = False
    while not frees and (left := gone + GONE_WITHIN - time.monotonic()) > 0:
        with ExitStack() as listeners:
            frees = listen(url, listeners, left) == 200
        time.sleep(0.05)
    return Facts(at_once, frees, max_streams, head, without_length)


def listen(url: str, listeners: ExitStack, seconds: float = PATIENCE) -> int | None:
    """Begin to listen, until `listeners` ends; the status, or None where no answer came in time."""
    client = listeners.enter_context(socket.create_connection(_address(url), seconds))
    client.sendall(b"GET /api/v1/public/recordings/slow HTTP/1.1\r\nHost: h\r\n\r\n")
    with suppress(TimeoutError):
        return int(client.recv(65536).split()[1])
    return None


def status_of_head(url: str) -> int:
    """The status of HEAD, which has the recording's length and no body where it is 200."""
    with socket.create_connection(_address(url), PATIENCE) as client:
        client.sendall(b"HEAD /api/v1/public/recordings/slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
    status = int(head.split()[1])
    if status == 200:
        assert b"content-length: %d" % LENGTH in head.lower()
    assert body == b""
    return status


def without_a_length(url: str) -> str:
    """How recordings come whose source tells no length."""
    ends = []
    for key in ("whole", "broken"):
        connection = http.client.HTTPConnection(*_address(url), timeout=PATIENCE)
        connection.request("GET", f"/api/v1/public/recordings/{key}")
        answer = connection.getresponse()
        try:
            ends.append("whole" if answer.read() == DATA else str(answer.status))
        except (http.client.IncompleteRead, ConnectionError):
            ends.append("cut")
        connection.close()
    return "plays" if ends == ["whole", "cut"] else " and ".join(sorted(set(ends)))


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)
