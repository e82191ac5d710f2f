"""What a server logs when a stream is cut: never the token of a public link, with what the page on servers says."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers import wait_until
from tests.servers.gunicorn import PROJECT
from tests.servers.wsgi import WsgiServer

TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
PATH = f"/api/v1/public/recordings/{TOKEN}"
HOST = f"""
from flask import Flask

from cxb_recordings import InMemoryCallRepository, register
from cxb_recordings.testing import InMemorySource, hold_in_memory

app = Flask("host")
calls = InMemoryCallRepository([{{"session_id": "s-1", "recording_key": "a.wav", "recording_access_token": "{TOKEN}"}}])
register(app, dict, calls, require_admin=lambda view: view, resume_attempts=0)
source = InMemorySource({{"a.wav": b"x" * 50_000_000}}, breaks=[30_000_000] * 50)
held = hold_in_memory(app, source)
held.__enter__()
"""


def recipe() -> str:
    page = (PROJECT / "docs/servers.md").read_text().partition("## waitress\n")[2]
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def listen(url: str, path: str, until: int) -> int:
    """Take a reply until so many bytes have come, or the connection ends; returns how many came."""
    parts, received = urlsplit(url), 0
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), 30) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        while received < until and (chunk := client.recv(1 << 20)):
            received += len(chunk)
    return received


@pytest.mark.parametrize("name", ["waitress", "gunicorn gthread", "gunicorn gevent", "gunicorn sync"])
@pytest.mark.parametrize("path", [PATH, f"/api/v1/public/recordings/%64{TOKEN[1:]}", "/api/v1/recordings/s-1"])
def test_a_stream_that_is_cut_leaves_no_token_in_the_servers_log(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, path: str
) -> None:
    server = WsgiServer(request, name, HOST + recipe(), tmp_path)
    log = tmp_path / "server.log"
    try:
        server.start()
        assert 30_000_000 <= listen(server.url, path, 60_000_000) < 40_000_000
        listen(server.url, path, 1000)  # one who leaves
        wait_until(lambda: "StreamBroken" in log.read_text(), "the server's record of the cut")
    finally:
        server.kill()

    assert TOKEN not in log.read_text()
    assert TOKEN[1:] not in log.read_text()


def test_without_the_filter_waitress_names_the_path(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server = WsgiServer(request, "waitress", HOST, tmp_path)
    log = tmp_path / "server.log"
    try:
        server.start()
        listen(server.url, PATH, 60_000_000)
        wait_until(lambda: "while serving" in log.read_text(), "waitress's record of the cut")
    finally:
        server.kill()

    assert PATH in log.read_text()
