"""X-Accel-Redirect with the how-to's own nginx configuration: real nginx, gunicorn, and Ceph's gateway behind."""

from __future__ import annotations

import hashlib
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import certifi
import pytest
import requests

from tests.servers import free_port
from tests.servers.gunicorn import Gunicorn, GunicornFactory
from tests.servers.moto_s3 import Bucket
from tests.servers.nginx import NginxFactory
from tests.servers.origin import OriginFactory

from .offload_site import APP, PREFIX, Site, nginx_configuration
from .site import ask

DATA = random.Random(8).randbytes(3_000_000)
TLS_FRONT = """
server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    location / {{ proxy_pass {store}; proxy_set_header Host $http_host; }}
}}
"""


@pytest.fixture
def app(ceph_bucket: Bucket, make_origin: OriginFactory, gunicorn: GunicornFactory) -> Gunicorn:
    ceph_bucket.put("2026/05/call one+ü.wav", DATA)
    ceph_bucket.put("page.html", b"<script>alert(1)</script>", "image/svg+xml")
    host = make_origin({"fleet.wav": DATA[:5000]})
    return gunicorn(APP.format(minio=ceph_bucket.settings(), fleet=[host.url], ca_bundle=None))


@pytest.fixture
def site(app: Gunicorn, nginx: NginxFactory, certificate: Path) -> Site:
    port = free_port()
    server = nginx(nginx_configuration(app, port, certificate), port)
    return Site(f"http://127.0.0.1:{port}{PREFIX}", server, app)


def test_nginx_carries_the_bytes_and_the_client_sees_what_python_would_send(site: Site) -> None:
    whole = site.get("stored")
    assert (whole.status_code, hashlib.sha256(whole.content).digest()) == (200, hashlib.sha256(DATA).digest())
    through_python = ask(site.app.url + PREFIX + "/stored", **{"X-Recording-Offload": "refused"})
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


def test_a_playback_url_is_carried_by_nginx_as_the_public_link_is(site: Site) -> None:
    url = ask(urljoin(site.url, "/api/v1/playback-url")).text
    assert url.startswith(f"{site.url.removesuffix(PREFIX)}/api/v1/playback/")

    for headers in ({}, {"Range": "bytes=1000-1999"}, {"If-Match": '"other"'}):
        public, playback = site.get("stored", **headers), ask(url, **headers)
        assert (playback.status_code, playback.content) == (public.status_code, public.content)
        assert {**playback.headers, "Date": ""} == {**public.headers, "Date": ""}
        assert playback.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert ask(f"{url}x").status_code == 404
    handed_over = ask(site.app.url + urlsplit(url).path, **{"X-Recording-Offload": "refused"})
    assert "X-Accel-Redirect" not in handed_over.headers
    assert "X-Accel-Redirect" in ask(site.app.url + urlsplit(url).path).headers
    logs = [path.read_text() for path in (site.server.directory / "logs").iterdir()] + [site.app.log.read_text()]
    assert "X-Amz" not in "".join(logs)


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
    site = Site(f"http://127.0.0.1:{port}{PREFIX}", nginx(nginx_configuration(app, port, trusted), port), app)

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
    site = Site(f"http://127.0.0.1:{port}{PREFIX}", server, app)
    assert site.get("stored").content == DATA
    assert site.get("stored", Range="bytes=5-9").content == DATA[5:10]


LONG = bytes(40_000_000)  # more than the buffers on the way hold
LISTENERS = 4


@contextmanager
def unread(site: Site, *headers: str) -> Iterator[list[int]]:
    """The statuses of requests for the long recording, whose bodies nobody reads."""
    address = urlsplit(site.url)
    with ExitStack() as connections:
        statuses = []
        for _ in range(LISTENERS):
            connection = connections.enter_context(socket.create_connection((address.hostname, address.port), 20))
            lines = [f"GET {address.path}/stored HTTP/1.1", f"Host: {address.netloc}", *headers, "", ""]
            connection.sendall("\r\n".join(lines).encode())
            statuses.append(int(connection.recv(13)[9:12]))
        yield statuses


def busy_site(
    bucket: Bucket, gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path, options: str, cleared: str
) -> Site:
    """A host with as many threads as listeners; its nginx clears what `cleared` says."""
    bucket.put("2026/05/call one+ü.wav", LONG)
    source = APP.format(minio=bucket.settings(), fleet=[], ca_bundle=None).replace('offload="', f'{options}offload="')
    app, port = gunicorn(source, "--worker-class", "gthread", "--threads", str(LISTENERS)), free_port()
    configuration = nginx_configuration(app, port, certificate)
    line = 'proxy_set_header X-Recording-Offload "";'
    assert line in configuration
    server = nginx(configuration.replace(line, cleared or line), port)
    return Site(f"http://127.0.0.1:{port}{PREFIX}", server, app)


CHOOSING_PYTHON = ["X-Recording-Offload: refused", "X_Recording_Offload: refused", "x-recording-OFFLOAD: refused"]


@pytest.mark.parametrize("header", CHOOSING_PYTHON)
def test_a_client_cannot_choose_that_python_carries(
    header: str, ceph_bucket: Bucket, gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    site = busy_site(ceph_bucket, gunicorn, nginx, certificate, "", "")
    with unread(site, header) as statuses:
        assert statuses == [200] * LISTENERS
        assert site.get("stored", Range="bytes=0-9").content == LONG[:10]


def test_without_the_pages_line_a_client_takes_every_thread(
    ceph_bucket: Bucket, gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    site = busy_site(ceph_bucket, gunicorn, nginx, certificate, "", "proxy_set_header X-Nothing x;")
    with unread(site, CHOOSING_PYTHON[0]), pytest.raises(requests.Timeout):
        requests.get(f"{site.url}/unknown", timeout=3)


def test_max_streams_leaves_threads_to_whom_nginx_serves(
    ceph_bucket: Bucket, gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    site = busy_site(ceph_bucket, gunicorn, nginx, certificate, "max_streams=2, ", "")
    etag = site.get("stored", "HEAD").headers["ETag"]
    with unread(site, "Range: bytes=0-", f"If-Range: {etag}") as statuses:
        assert sorted(statuses) == [206, 206, 503, 503]
        assert [site.get("stored", Range="bytes=0-9").content for _ in range(5)] == [LONG[:10]] * 5
        assert site.get("stored", "HEAD").status_code == 200
