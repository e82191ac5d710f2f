"""The example's host application with its CRM, a store and two fleet hosts, each of them behind a plug."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from examples import audio
from examples.calls import MemoryCalls
from examples.crm import create_crm
from examples.host import HostOptions, create_app
from examples.plugs import Plug
from tests.servers.moto_s3 import Bucket, S3Server
from tests.servers.origin import Origin

PUBLIC_URL = "http://calls.example"
PASSWORD, SECRET, CRM_KEY = "password-of-this-test", "secret-of-machines-in-this-test", "key-of-the-crm-in-this-test"
LONG = audio.make_wav(120)  # 1.9 MB: longer than what a plug lets through at once
CALLS: list[dict[str, Any]] = [
    {"session_id": "s-long", "recording_key": "long.wav", "caller": "Ada <b>", "agent": "Zoe", "seconds": 120.0},
    {"session_id": "s-url", "recording_url": "https://old.example/2024/short.wav", "caller": "bob", "agent": "Amy"},
    {"session_id": "s-none", "caller": "Carol", "agent": "Max", "seconds": 7200, "places": ["Storage"]},
]


@dataclass(frozen=True, slots=True)
class CallCentre:
    """The host, with a client that nobody logged in yet."""

    app: Flask
    client: FlaskClient
    calls: MemoryCalls
    storage: Plug
    fleet: list[Plug]
    crm: Crm
    bucket: Bucket

    def log_in(self) -> str:
        """Log the client in; returns the CSRF token."""
        reply = self.client.post("/login", data={"user": "admin", "password": PASSWORD})
        assert reply.status_code == 303
        cookie = self.client.get_cookie("csrf_access_token")
        assert cookie is not None
        return cookie.value

    def post(self, path: str, csrf: str, **fields: str) -> Any:
        return self.client.post(path, data={"csrf_token": csrf, **fields})

    def ingest(self, **fields: Any) -> Any:
        headers = {"X-Ingestion-Secret": SECRET}
        return self.client.post("/api/v1/calls", data=fields, headers=headers, content_type="multipart/form-data")

    def put_recording(self, session_id: str, audio: bytes, name: str = "call.wav") -> Any:
        return self.client.put(
            f"/api/v1/calls/{session_id}/recording",
            data={"audio": (io.BytesIO(audio), name)},
            headers={"X-Ingestion-Secret": SECRET},
            content_type="multipart/form-data",
        )

    def link(self, session_id: str) -> str:
        """The path of a call's public link."""
        token = self.calls.ensure_token(session_id)
        assert token is not None
        return f"/api/v1/public/recordings/{token}"

    def activity(self) -> list[dict[str, Any]]:
        transfers: list[dict[str, Any]] = self.client.get("/live/activity").get_json()["transfers"]
        return transfers


class Crm:
    """The CRM on a port of its own."""

    def __init__(self) -> None:
        self.app = create_crm(CRM_KEY)
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.002,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.port}"

    def page(self, path: str) -> str:
        return self.app.test_client().get(path).get_data(as_text=True)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.fixture
def crm() -> Iterator[Crm]:
    server = Crm()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def bucket(moto_s3: S3Server) -> Bucket:
    """A bucket with two recordings; tests add to it, each under keys of its own."""
    made = moto_s3.new_bucket()
    made.put("long.wav", LONG)
    made.put("short.wav", audio.make_wav(5))
    return made


@pytest.fixture
def centre(bucket: Bucket, crm: Crm) -> Iterator[CallCentre]:
    copies = {"long.wav": LONG}
    hosts = [Origin(copies | {"only-on-fleet.wav": b"RIFF"}, secret="s"), Origin(copies, secret="s")]
    storage, *fleet = [_plug(url) for url in (bucket.server.endpoint, *(host.url for host in hosts))]
    settings = {
        "minio": bucket.settings(endpoint=storage.url),
        "cxbcore_fleet": [{"url": plug.url, "secret": "s"} for plug in fleet],
    }
    calls = MemoryCalls(CALLS)
    options = HostOptions(
        PUBLIC_URL, PASSWORD, SECRET, crm.url, CRM_KEY, plugs={plug.url: plug for plug in (storage, *fleet)}
    )
    app = create_app(lambda: settings, calls, options)
    with app.test_client() as client:
        yield CallCentre(app, client, calls, storage, fleet, crm, bucket)
    for plug in (storage, *fleet):
        plug.close()
    for host in hosts:
        host.stop()


def _plug(url: str) -> Plug:
    """So slow that a long recording is under way when it is pulled, and no slower."""
    return Plug(urlsplit(url).port or 0, burst=65536, pace=2_000_000)


def rows(page: str) -> list[str]:
    """The session ids of a table of calls, from top to bottom."""
    return re.findall(r'href="/calls/([^"]+)"', page)
