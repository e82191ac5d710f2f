"""A host behind nginx with `offload`, in the configuration of the how-to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.servers import free_port
from tests.servers.gunicorn import Gunicorn, GunicornFactory
from tests.servers.nginx import Nginx, NginxFactory

PAGE = Path(__file__).parents[2] / "docs/offload.md"
APP = """
from flask import Flask
from flask_jwt_extended import JWTManager
from cxb_recordings import InMemoryCallRepository, register
app = Flask("host")
app.config["JWT_SECRET_KEY"] = app.secret_key = "for this test only, thirty-two bytes and more"
JWTManager(app)
keys = {{"stored": "2026/05/call one+ü.wav", "fleet": "fleet.wav", "page": "page.html", "absent": "absent.wav",
    "long": "ü" * 512}}
calls = [{{"session_id": t, "recording_key": k, "recording_access_token": t}} for t, k in keys.items()]
settings = {{"minio": {minio}, "cxbcore_fleet": {fleet}}}
service = register(app, lambda: settings, InMemoryCallRepository(calls), ca_bundle={ca_bundle!r},
    offload="/_protected/", playback_url_prefix="/api/v1/playback")


@app.get("/api/v1/playback-url")
def playback_url():
    return service.playback_url("stored")
"""
PREFIX = "/api/v1/public/recordings"
FIRST = b"HTTP/1.1 206 X\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/10\r\n\r\n0"  # what the library asks
WHOLE = b"HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\n0123456789"
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"


@dataclass
class Site:
    url: str
    server: Nginx
    app: Gunicorn

    def get(self, token: str, method: str = "GET", **headers: str) -> requests.Response:
        return requests.request(
            method, f"{self.url}/{token}", headers={"Accept-Encoding": "identity", **headers}, timeout=20
        )


def nginx_configuration(app: Gunicorn, port: int, trusted: Path) -> str:
    block = re.search(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    upstream = f"upstream app {{ server {app.url.removeprefix('http://')}; }}\n"
    assert TRUSTED in block[1]
    return upstream + block[1].replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace(TRUSTED, str(trusted))


def before_store(url: str, gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path) -> Site:
    """The library with offload, in front of a scripted store."""
    minio = {"endpoint": url, "access_key": "key", "secret_key": "secret", "bucket": "recordings"}
    app, port = gunicorn(APP.format(minio=minio, fleet=[], ca_bundle=None)), free_port()
    server = nginx(nginx_configuration(app, port, certificate), port)
    return Site(f"http://127.0.0.1:{port}{PREFIX}", server, app)
