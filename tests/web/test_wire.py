"""What goes over the wire of a real server, byte by byte: framing, connections that are used again, and broken ends."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from cxb_recordings.errors import StreamBroken
from tests.servers import wait_until
from tests.servers.gunicorn import gunicorns, host_source
from tests.servers.origin import Origin
from tests.servers.replies import reply

from .site import PREFIXES, Scripted, Site, serving

DATA = bytes(range(256)) * 40
LONG = bytes(range(256)) * 65536  # 16 MB: more than all sockets on the way hold
KEYS = {"call.wav": DATA, "empty.wav": b"", "звонок 📞.wav": DATA, "long.wav": LONG}


class Server:
    """A server of a site whose only source is `host`."""

    def __init__(self, address: tuple[str, int], host: Origin) -> None:
        self.address = address
        self.host = host

    def path(self, key: str) -> str:
        return f"{PREFIXES['public']}/t{list(KEYS).index(key)}"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.address, timeout=30)

    def raw(self, request: str) -> bytes:
        """All bytes of the reply to a request, until the server closes the connection."""
        with socket.create_connection(self.address, timeout=30) as connection:
            connection.sendall(request.replace("\n", "\r\n").encode())
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module", params=["flask", "gunicorn"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Flask's own server and gunicorn in turn."""
    host = Origin(dict(KEYS))
    source = host_source(host.fleet(), {f"t{number}": key for number, key in enumerate(KEYS)})
    if request.param == "gunicorn":
        with gunicorns(tmp_path_factory.mktemp("gunicorn")) as start:
            url = urlsplit(start(source, "--worker-class", "gthread", "--threads", "4").url)
            yield Server((url.hostname or "", url.port or 0), host)
    else:
        names: dict[str, object] = {}
        exec(source, names)
        with serving(names["app"]) as address:  # type: ignore[arg-type]
            yield Server(address, host)
    host.stop()


@pytest.fixture
def server(running: Server) -> Server:
    """The running server, whose source behaves."""
    running.host.fault = None
    return running


def test_a_connection_is_used_again_after_every_kind_of_answer(server: Server) -> None:
    connection = server.connect()
    for method, key, headers, status, body in [
        ("GET", "call.wav", {}, 200, DATA),
        ("HEAD", "call.wav", {}, 200, b""),
        ("GET", "call.wav", {"Range": "bytes=5-9"}, 206, DATA[5:10]),
        ("GET", "call.wav", {"Range": "bytes=99999-"}, 416, None),
        ("GET", "call.wav", {"If-None-Match": "*"}, 304, b""),
        ("GET", "call.wav", {"If-Match": '"x"'}, 412, None),
        ("HEAD", "call.wav", {"If-Match": '"x"'}, 412, b""),
        ("GET", "empty.wav", {}, 200, b""),
        ("HEAD", "empty.wav", {}, 200, b""),
        ("GET", "call.wav", {}, 200, DATA),
    ]:
        connection.request(method, server.path(key), headers=headers)
        answer = connection.getresponse()
        sent = answer.read()
        assert answer.status == status, headers
        assert body is None or sent == body
    connection.close()


def test_a_head_and_a_304_end_with_their_headers(server: Server) -> None:
    for request in ("HEAD {} HTTP/1.1\nHost: h\n", "GET {} HTTP/1.1\nHost: h\nIf-None-Match: *\n"):
        answer = server.raw(request.format(server.path("call.wav")) + "Connection: close\n\n")
        assert answer.endswith(b"\r\n\r\n")
        assert answer.count(b"\r\n\r\n") == 1


def test_a_recording_of_unknown_length_comes_in_chunks_with_an_end(server: Server) -> None:
    server.host.fault = "no length"
    request = f"GET {server.path('call.wav')} HTTP/1.1\nHost: h\nConnection: close\n\n"

    answer = server.raw(request)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert b"content-length" not in head.lower()
    assert b"accept-ranges" not in head.lower()
    assert body.endswith(b"\r\n0\r\n\r\n")
    connection = server.connect()
    connection.request("GET", server.path("call.wav"))
    assert connection.getresponse().read() == DATA
    connection.close()


def test_http_1_0_gets_a_length_or_a_502(server: Server) -> None:
    request = f"GET {server.path('call.wav')} HTTP/1.0\n\n"

    head, _, body = server.raw(request).partition(b"\r\n\r\n")
    assert b"content-length: 10240" in head.lower()
    assert body == DATA
    server.host.fault = "no length"
    head, _, body = server.raw(request).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"502"
    assert b"application/problem+json" in head
    assert b"chunked" not in head


def test_a_name_beyond_ascii_crashes_no_server(server: Server) -> None:
    connection = server.connect()
    connection.request("GET", server.path("звонок 📞.wav") + "?download=1")
    answer = connection.getresponse()

    assert (answer.status, answer.read()) == (200, DATA)
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename=recording.wav; filename*=UTF-8''%D0%B7")
    connection.close()


def test_a_client_that_goes_away_frees_its_upstream(server: Server) -> None:
    with socket.create_connection(server.address, timeout=30) as connection:
        connection.sendall(f"GET {server.path('long.wav')} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert connection.recv(4) == b"HTTP"
        wait_until(lambda: server.host.open_connections > 0, "the upstream's connection")

    wait_until(lambda: server.host.open_connections == 0, "the upstream's end")


def test_without_a_length_a_break_raises_and_is_no_quiet_end(scripted: Scripted) -> None:
    chunks = b"4000\r\n" + bytes(0x4000) + b"\r\n9\r\n012"
    broken = reply(200, {"Transfer-Encoding": "chunked"}, chunks, length=False)
    scripted.answers(broken)

    with pytest.raises(StreamBroken):
        scripted.ask()

    with serving(scripted.app) as address:
        connection = http.client.HTTPConnection(*address, timeout=30)
        connection.request("GET", scripted.path())
        with pytest.raises(http.client.IncompleteRead):
            connection.getresponse().read()
        connection.close()


def test_a_source_that_ends_early_never_leads_to_a_quiet_end(scripted: Scripted) -> None:
    scripted.answers(reply(200, {"Content-Length": "20000"}, DATA))
    site = Site(scripted.provider(), resume_attempts=0)

    with pytest.raises(StreamBroken):
        site.ask()
    with serving(site.app) as address:
        connection = http.client.HTTPConnection(*address, timeout=30)
        connection.request("GET", site.path())
        answer = connection.getresponse()
        assert answer.headers["Content-Length"] == "20000"
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
        connection.close()
