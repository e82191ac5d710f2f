"""What a store may answer nginx with `offload`: nothing of it steers nginx, and little of it reaches the client."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests

from tests.servers import free_port
from tests.servers.gunicorn import GunicornFactory
from tests.servers.nginx import NginxFactory
from tests.servers.origin import ScriptedOrigin

from .offload_site import APP, FIRST, PAGE, PREFIX, WHOLE, Site, before_store, nginx_configuration
from .site import ask

CUT_BY_NGINX = (408, 444)  # it closes the connection at these, whatever error_page says


def test_nothing_of_the_request_goes_to_storage_and_little_of_its_reply_to_the_client(
    gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    head = "Content-Range: bytes 0-9/10\r\nAccess-Control-Allow-Origin: *\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT"
    answer = f"HTTP/1.1 206 X\r\nContent-Length: 10\r\n{head}\r\n\r\n0123456789".encode()
    with ScriptedOrigin([FIRST], [answer], closes=True) as store:
        site = before_store(store.url, gunicorn, nginx, certificate)
        reply = site.get(
            "stored", Range="bytes=0-9", **{"X-Api-Key": "of the host", "X-Amz-Request-Payer": "requester"}
        )
        sent = store.heads[-1].lower()

    assert reply.content == b"0123456789"
    assert "Expires" not in reply.headers
    assert "range: bytes=0-9" in sent
    assert {line.partition(":")[0] for line in sent.splitlines()[1:] if line} == {"host", "range"}


def test_no_page_and_no_redirect_of_storage_reaches_the_client(
    gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    statuses = [status for status in range(300, 600) if status != 499]  # error_page can't name that one
    scripts = [[FIRST]]
    for status in statuses:
        refusal = f"HTTP/1.1 {status} X\r\nContent-Length: 4\r\nLocation: http://127.0.0.1:1/?X-Amz-Signature=x\r\n\r\n"
        scripts.append([(refusal + ("" if status == 304 else "of S")).encode()])
        if status not in CUT_BY_NGINX:
            scripts.append([WHOLE])
    with ScriptedOrigin(*scripts, closes=True) as store:
        site = before_store(store.url, gunicorn, nginx, certificate)
        for status in statuses:
            if status in CUT_BY_NGINX:
                with pytest.raises(requests.ConnectionError):
                    site.get("stored")
                continue
            reply = site.get("stored")
            assert (reply.status_code, reply.content) == (200, b"0123456789"), f"Python carries after {status}"
            assert "Location" not in reply.headers


def test_another_success_of_storage_is_visible_as_such(
    gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    statuses = [201, 202, 203, 207, 226, 299, 600]
    odd = [[f"HTTP/1.1 {status} X\r\nContent-Length: 4\r\n\r\nof S".encode()] for status in statuses]
    with ScriptedOrigin([FIRST], *odd, closes=True) as store:
        site = before_store(store.url, gunicorn, nginx, certificate)
        seen = [site.get("stored").status_code for _ in statuses]
    assert seen == statuses, "nginx can't judge these, as the page says"


def test_a_coded_reply_of_storage_is_visible_as_such(
    gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    coded = WHOLE.replace(b"Content-Length", b"Content-Encoding: x-of-storage\r\nContent-Length")
    with ScriptedOrigin([FIRST], [coded], closes=True) as store:
        reply = before_store(store.url, gunicorn, nginx, certificate).get("stored")
    assert reply.headers["Content-Encoding"] == "x-of-storage"


STEERING = [
    *("X-Accel-Redirect: /_protected/\r\nX-Storage-URL: {elsewhere}", "X-Accel-Redirect: /_protected/"),
    *("X-Accel-Redirect: /of-the-host/passwords", "X-Accel-Redirect: @python", "X-Accel-Limit-Rate: 1"),
    *("X-Accel-Charset: koi8-r", "X-Accel-Buffering: no"),
    *("X-Accel-Expires: 3600", "x-accel-REDIRECT: /of-the-host/passwords"),
]
PASSWORDS = "location /of-the-host/ {{ internal; alias {directory}/; }}"


def steered_site(
    store: ScriptedOrigin, gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path, *, ignored: bool
) -> Site:
    """A host with a file for itself, whose nginx ignores the headers that steer it, or not."""
    minio = {"endpoint": store.url, "access_key": "key", "secret_key": "secret", "bucket": "recordings"}
    app, port = gunicorn(APP.format(minio=minio, fleet=[], ca_bundle=None)), free_port()
    directory = app.log.parent / "of-the-host"
    directory.mkdir()
    (directory / "passwords").write_text("secret")
    configuration = nginx_configuration(app, port, certificate)
    host = PASSWORDS.format(directory=directory) + "location = /_protected/ {"
    configuration = configuration.replace("location = /_protected/ {", host)
    if not ignored:
        configuration = re.sub(r"proxy_ignore_headers [^;]*;", "", configuration)
    return Site(f"http://127.0.0.1:{port}{PREFIX}", nginx(configuration, port), app)


def test_nothing_that_storage_sends_steers_nginx(
    gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    with ScriptedOrigin([WHOLE]) as elsewhere:
        rows = [row.format(elsewhere=elsewhere.url) for row in STEERING]
        answers = [[WHOLE.replace(b"Content-Length", f"{row}\r\nContent-Length".encode())] for row in rows]
        with ScriptedOrigin([FIRST], *answers, closes=True) as store:
            site = steered_site(store, gunicorn, nginx, certificate, ignored=True)
            for row in rows:
                reply = site.get("stored")
                assert (reply.status_code, reply.content) == (200, b"0123456789"), row
                assert reply.headers["Content-Type"] == "audio/wav", row
                assert not [name for name in reply.headers if name.lower().startswith("x-accel")], row
        assert elsewhere.heads == []


def test_without_the_pages_line_storage_steers_nginx(
    gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    answer = WHOLE.replace(b"Content-Length", b"X-Accel-Redirect: /of-the-host/passwords\r\nContent-Length")
    with ScriptedOrigin([FIRST], [answer], closes=True) as store:
        site = steered_site(store, gunicorn, nginx, certificate, ignored=False)
        assert site.get("stored").content == b"secret"


# Those of storage's headers that a browser would act on, one of each family at least.
BROWSERS_ACT_ON = {
    *("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"),
    *("Alt-Svc", "Clear-Site-Data", "Content-Location", "Content-Security-Policy-Report-Only", "Link", "Location"),
    *("Cross-Origin-Embedder-Policy", "Cross-Origin-Opener-Policy", "NEL", "Origin-Agent-Cluster", "Origin-Trial"),
    *("Permissions-Policy", "Refresh", "Report-To", "Reporting-Endpoints", "Server-Timing", "Service-Worker-Allowed"),
    *("Set-Cookie", "SourceMap", "Speculation-Rules", "Strict-Transport-Security", "Timing-Allow-Origin", "Vary"),
    *("WWW-Authenticate", "X-Frame-Options", "X-XSS-Protection"),
}


def test_no_header_of_storage_that_a_browser_acts_on_reaches_the_client(
    gunicorn: GunicornFactory, nginx: NginxFactory, certificate: Path
) -> None:
    hidden = re.findall(r"proxy_hide_header (\S+);", PAGE.read_text())
    sent = sorted(BROWSERS_ACT_ON | set(hidden))
    answer = WHOLE.replace(
        b"Content-Length", ("".join(f"{name}: of storage\r\n" for name in sent)).encode() + b"Content-Length"
    )
    with ScriptedOrigin([FIRST], [answer], closes=True) as store:
        site = before_store(store.url, gunicorn, nginx, certificate)
        reply = site.get("stored")
        through_python = ask(site.app.url + PREFIX + "/unknown")

    assert reply.content == b"0123456789"
    passed = reply.raw.headers
    assert [name for name in passed if "of storage" in passed.getlist(name)] == []
    for name in ("Content-Security-Policy", *through_python.headers):
        assert len(passed.getlist(name)) <= 1, f"{name} is there twice"
