"""Session ids with slashes through real servers, which decode paths each in their own way."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.servers.wsgi import COMMANDS, WsgiServer
from tests.web.site import PREFIXES
from tests.web.test_routes import SESSION_IDS

# Servers refuse request lines that are longer, and control characters, before the application hears of them.
SENT = [name for name in SESSION_IDS if len(name) < 2000 and name.isprintable()]
HOST = f"""
from flask import Flask

from cxb_recordings import InMemoryCallRepository, register
from cxb_recordings.testing import InMemorySource, hold_in_memory

app = Flask("host")
names = {SENT!r}
documents = [{{"session_id": name, "recording_key": str(number)}} for number, name in enumerate(names)]
calls = InMemoryCallRepository(documents)
register(app, dict, calls, require_admin=lambda view: view)
held = hold_in_memory(app, InMemorySource({{str(number): b"%d" % number for number in range(len(names))}}))
held.__enter__()
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_session_id_reaches_the_route_as_it_is_and_nothing_redirects(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    server = WsgiServer(request, name, HOST, tmp_path)
    try:
        server.start()
        for number, session_id in enumerate(SENT):
            for path in {quote(session_id, safe=""), quote(session_id)}:  # slashes quoted, and as they are
                assert get(server.url, f"{PREFIXES['admin']}/{path}") == (200, b"%d" % number), session_id
        one = get(server.url, f"{PREFIXES['public']}/unknown")
        assert one[0] == 404
        for path in ("/", "//", "//a", "/a/b", "/a/", "/%2Fa", "/%ff"):
            assert get(server.url, PREFIXES["public"] + path) == one, path
    finally:
        server.kill()


def get(url: str, path: str) -> tuple[int, bytes]:
    """The status and the body of a path that is sent as it stands."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()
