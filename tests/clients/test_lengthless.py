"""A recording whose length nobody tells, under each WSGI server: a break of it is seen, or it is not played at all."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.servers.conversation import Received
from tests.servers.gunicorn import host_source
from tests.servers.origin import Origin
from tests.servers.replies import reply
from tests.servers.wsgi import COMMANDS, OTHERS, WsgiServer

DATA = bytes(range(256)) * 2000
PLAYS = {*COMMANDS, "gunicorn gevent_pywsgi", "pywsgi", "cheroot"}


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """A fleet host that sends chunks to whatever it is asked, and no last one where the recording is to break."""

    def answer(request: Received) -> bytes:
        chunk = b"%x\r\n%b\r\n" % (len(DATA), DATA)
        body = chunk + b"0\r\n\r\n" if "whole" in request.target else chunk[:-1000]
        head = {"Content-Type": "audio/wav", "Transfer-Encoding": "chunked"}
        return reply(200, head, b"" if request.method == "HEAD" else body, length=False)

    origin = Origin(answer=answer)
    yield origin
    origin.stop()


@pytest.mark.parametrize("name", COMMANDS | OTHERS)
def test_a_break_without_a_length_is_seen_under_every_server(
    request: pytest.FixtureRequest, origin: Origin, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = host_source(origin.fleet(), {"whole": "whole", "broken": "broken"})
    server = WsgiServer(request, name, source, tmp_path_factory.mktemp("server"))
    try:
        server.start()
        for key in ("whole", "broken"):
            connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
            connection.request("GET", f"/api/v1/public/recordings/{key}")
            answer = connection.getresponse()
            if name not in PLAYS:
                assert answer.status == 502
                assert answer.headers["Content-Type"] == "application/problem+json"
            elif key == "whole":
                assert (answer.status, answer.read()) == (200, DATA)
            else:
                assert answer.status == 200
                with pytest.raises((http.client.IncompleteRead, ConnectionError)) as broken:
                    answer.read()
                assert DATA.startswith(getattr(broken.value, "partial", b""))
            connection.close()
    finally:
        server.kill()
