"""X-Accel-Redirect with the how-to's own nginx configuration: real nginx, gunicorn, and Ceph's gateway behind."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from pathlib import Path

import certifi
import pytest
import requests

from tests.servers import free_port
from tests.servers.fleet_host import FleetHostFactory
from tests.servers.gunicorn import Gunicorn, GunicornFactory
from tests.servers.moto_s3 import Bucket
from tests.servers.nginx import Nginx, NginxFactory
from tests.sources.scripted import ScriptedServer

PAGE = Path(__file__).parents[2] / "docs/offload.md"
DATA = random.Random(8).randbytes(3_000_000)
APP = """
from flask import Flask
from flask_jwt_extended import JWTManager
from cxb_recordings import InMemoryCallRepository, register
app = Flask("host")
app.config["JWT_SECRET_KEY"] = "for this test only, thirty-two bytes and more"
JWTManager(app)
keys = {{"stored": "2026/05/call one+ü.wav", "fleet": "fleet.wav", "page": "page.html", "absent": "absent.wav",
    "long": "ü" * 512}}
calls = [{{"session_id": t, "recording_key": k, "recording_access_token": t}} for t, k in keys.items()]
settings = {{"minio": {minio}, "cxbcore_fleet": {fleet}}}
register(app, lambda: settings, InMemoryCallRepository(calls), offload="/_protected/", ca_bundle={ca_bundle!r})
"""
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
TLS_FRONT = """
server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    location / {{ proxy_pass {store}; proxy_set_header Host $http_host; }}
}}
"""


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


@pytest.fixture
def app(ceph_bucket: Bucket, fleet_host: FleetHostFactory, gunicorn: GunicornFactory) -> Gunicorn:
    ceph_bucket.put("2026/05/call one+ü.wav", DATA)
    ceph_bucket.put("page.html", b"<script>alert(1)</script>", "image/svg+xml")
    host = fleet_host({"fleet.wav": DATA[:5000]})
    return gunicorn(APP.format(minio=ceph_bucket.settings(), fleet=[host.url], ca_bundle=None))


@pytest.fixture
def site(app: Gunicorn, nginx: NginxFactory, certificate: Path) -> Site:
    port = free_port()
    server = nginx(nginx_configuration(app, port, certificate), port)
    return Site(f"http://127.0.0.1:{port}/api/v1/public/recordings", server, app)


def test_nginx_carries_the_bytes_and_the_client_sees_what_python_would_send(site: Site) -> None:
    whole = site.get("stored")
    assert (whole.status_code, hashlib.sha256(whole.content).digest()) == (200, hashlib.sha256(DATA).digest())
    through_python = site.get("stored", **{"X-Recording-Offload": "refused"})
    assert through_python.content == DATA
    differing = {"Date", "Server", "Connection", "Keep-Alive", "Transfer-Encoding"}
    left = {name: value for name, value in whole.headers.items() if name not in differing}
    assert left == {name: value for name, value in through_python.headers.items() if name not in differing}


def test_ranges_conditions_and_head_are_as_without_offload(site: Site) -> None:
    part = site.get("stored", Range="bytes=1000-1999")
    assert (part.status_code, part.content) == (206, DATA[1000:2000])
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(DATA)}"
    assert site.get("stored", Range="bytes=-5").content == DATA[-5:]
    assert site.get("stored", Range="bytes=0-1,5-6").content == DATA, "several ranges are ignored"
    beyond = site.get("stored", Range=f"bytes={len(DATA)}-")
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")
    etag = part.headers["ETag"]
    assert site.get("stored", **{"If-None-Match": etag}).status_code == 304
    assert site.get("stored", **{"If-Match": '"other"'}).status_code == 412
    assert site.get("stored", Range="bytes=0-9", **{"If-Range": etag}).content == DATA[:10]
    assert site.get("stored", Range="bytes=0-9", **{"If-Range": '"other"'}).content == DATA
    head = site.get("stored", "HEAD")
    assert (head.status_code, head.headers["Content-Length"], head.headers["ETag"]) == (200, str(len(DATA)), etag)


def test_what_storage_does_not_have_goes_through_python(site: Site) -> None:
    assert site.get("fleet").content == DATA[:5000]
    assert site.get("absent").status_code == 404
    assert site.get("unknown").status_code == 404


def test_a_listener_who_seeks_makes_the_library_ask_storage_once(site: Site, ceph_bucket: Bucket) -> None:
    assert site.get("stored", Range="bytes=0-9").content == DATA[:10]
    ceph_bucket.client.delete_object(Bucket=ceph_bucket.name, Key="2026/05/call one+ü.wav")
    assert site.get("stored", Range="bytes=5-9").status_code == 404, "nginx is refused, and Python finds it gone"
    ceph_bucket.put("2026/05/call one+ü.wav", DATA[:100])
    assert site.get("stored", Range="bytes=5-9").content == DATA[5:10]


def test_the_longest_key_that_a_store_may_have_plays(site: Site, ceph_bucket: Bucket) -> None:
    ceph_bucket.put("ü" * 512, DATA[:100])
    assert site.get("long").content == DATA[:100]


def test_nothing_of_the_request_goes_to_storage_and_little_of_its_reply_to_the_client(
    gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    head = "Content-Range: bytes 0-9/10\r\nAccess-Control-Allow-Origin: *\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT"
    answer = f"HTTP/1.1 206 X\r\nContent-Length: 10\r\n{head}\r\n\r\n0123456789".encode()
    first = b"HTTP/1.1 206 X\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/10\r\n\r\n0"
    with ScriptedServer([first], [answer], closes=True) as store:
        site = before_store(store.url, gunicorn, nginx, certificate)
        reply = site.get(
            "stored", Range="bytes=0-9", **{"X-Api-Key": "of the host", "X-Amz-Request-Payer": "requester"}
        )
        sent = store.heads[-1].lower()

    assert reply.content == b"0123456789"
    assert "Expires" not in reply.headers
    assert "range: bytes=0-9" in sent
    assert {line.partition(":")[0] for line in sent.splitlines()[1:] if line} == {"host", "range"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 405, 410, 451, 500, 501, 507])
def test_no_page_and_no_redirect_of_storage_reaches_the_client(
    status: int, gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    first = b"HTTP/1.1 206 X\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/10\r\n\r\n0"
    refusal = f"HTTP/1.1 {status} X\r\nContent-Length: 4\r\nLocation: http://127.0.0.1:1/?X-Amz-Signature=x\r\n\r\nof S"
    whole = b"HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\n0123456789"
    with ScriptedServer([first], [refusal.encode()], [whole], closes=True) as store:
        reply = before_store(store.url, gunicorn, nginx, certificate).get("stored")

    assert (reply.status_code, reply.content) == (200, b"0123456789"), "Python carries the bytes"
    assert "Location" not in reply.headers


def before_store(url: str, gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path) -> Site:
    """The library with offload, in front of a scripted store."""
    minio = {"endpoint": url, "access_key": "key", "secret_key": "secret", "bucket": "recordings"}
    app, port = gunicorn(APP.format(minio=minio, fleet=[], ca_bundle=None)), free_port()
    server = nginx(nginx_configuration(app, port, certificate), port)
    return Site(f"http://127.0.0.1:{port}/api/v1/public/recordings", server, app)


def test_a_stored_page_keeps_the_headers_that_make_it_harmless(site: Site) -> None:
    page = site.get("page")
    assert page.headers["Content-Type"] == "application/octet-stream"
    assert page.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "private, no-cache"


def test_the_signed_url_reaches_neither_the_client_nor_a_log(site: Site) -> None:
    reply = site.get("stored", Range="bytes=0-9")
    assert reply.status_code == 206
    logs = [path.read_text() for path in (site.server.directory / "logs").iterdir()] + [site.app.log.read_text()]
    assert "X-Amz" not in f"{reply.headers}" + "".join(logs)
    assert not [name for name in reply.headers if name.lower().startswith(("x-accel", "x-storage", "x-amz"))]


@pytest.mark.parametrize("is_trusted", [True, False])
def test_storage_over_tls_is_believed_where_its_certificate_is(
    is_trusted: bool,
    ceph_bucket: Bucket,
    gunicorn: GunicornFactory,
    nginx: NginxFactory,
    certificate: Path,
) -> None:
    ceph_bucket.put("2026/05/call one+ü.wav", DATA)
    port, front_port = free_port(), free_port()
    front = TLS_FRONT.format(port=front_port, certificate=certificate, store=ceph_bucket.server.endpoint)
    front_server = nginx(front, front_port)
    minio = ceph_bucket.settings(endpoint=f"https://127.0.0.1:{front_port}")
    app = gunicorn(APP.format(minio=minio, fleet=[], ca_bundle=str(certificate)))
    trusted = certificate if is_trusted else Path(certifi.where())
    site = Site(
        f"http://127.0.0.1:{port}/api/v1/public/recordings", nginx(nginx_configuration(app, port, trusted), port), app
    )

    assert site.get("stored").content == DATA
    seen = (front_server.directory / "logs/access.log").read_text()
    assert ("X-Amz-Signature" in seen) == is_trusted, "what nginx does not trust gets no signed URL; Python carries"


def test_a_request_at_which_storage_refuses_nginx_comes_back_to_python(
    app: Gunicorn, nginx: NginxFactory, certificate: Path
) -> None:
    port = free_port()
    configuration = nginx_configuration(app, port, certificate)
    refused = configuration.replace("headers off;", 'headers off; proxy_set_header Authorization "AWS nobody:nothing";')
    assert refused != configuration
    server = nginx(refused, port)
    site = Site(f"http://127.0.0.1:{port}/api/v1/public/recordings", server, app)
    assert site.get("stored").content == DATA
    assert site.get("stored", Range="bytes=5-9").content == DATA[5:10]
