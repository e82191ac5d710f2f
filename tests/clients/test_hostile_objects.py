"""What a store may hold besides audio: Chromium runs none of it in the host's origin, however it is embedded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.moto_s3 import Bucket
from tests.servers.wsgi import WsgiServer

from .site import PUBLIC

_SCRIPT = "try { localStorage.ran = 'yes' } catch (e) {} try { parent.localStorage.ran = 'yes' } catch (e) {}"
_OBJECTS = {
    "page.html": (f"<!doctype html><script>{_SCRIPT}</script>", "text/html"),
    "page.wav": (f"<!doctype html><script>{_SCRIPT}</script>", "text/html; charset=utf-8"),
    "picture.svg": (f'<svg xmlns="http://www.w3.org/2000/svg"><script>{_SCRIPT}</script></svg>', "image/svg+xml"),
    "script.js": (_SCRIPT, "text/javascript"),
    "sniffed": (f"<!doctype html><html><script>{_SCRIPT}</script>", ""),
    "audio.wav": (f"<!doctype html><script>{_SCRIPT}</script>", "audio/wav"),
}
_APP = """
from flask import Flask, Response, request
from flask_jwt_extended import JWTManager
from cxb_recordings import InMemoryCallRepository, register

app = Flask("host")
app.config["JWT_SECRET_KEY"] = "for these tests only, thirty-two bytes and more"
JWTManager(app)
calls = [{{"session_id": key, "recording_key": key, "recording_access_token": key}} for key in {keys!r}]
register(app, lambda: {{"minio": {minio!r}}}, InMemoryCallRepository(calls))


@app.get("/embedding")
def embedding():
    src = request.args["src"]
    return f'<!doctype html><iframe src="{{src}}"></iframe><object data="{{src}}"></object><embed src="{{src}}">' \\
        f'<script src="{{src}}"></script><audio src="{{src}}"></audio>'


@app.get("/unguarded")
def unguarded():
    return Response({page!r}, mimetype="text/html")
"""


@pytest.fixture
def host(
    request: pytest.FixtureRequest, moto_bucket: Bucket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    for key, (body, media_type) in _OBJECTS.items():
        moto_bucket.put(key, body.encode(), media_type)
    source = _APP.format(keys=list(_OBJECTS), minio=moto_bucket.settings(), page=_OBJECTS["page.html"][0])
    server = WsgiServer(request, "gunicorn gthread", source, tmp_path_factory.mktemp("host"))
    server.start()
    yield server.url
    server.kill()


def ran(browser: Any, host: str, src: str) -> bool:
    """Whether a script of `src` ran in the host's origin, embedded in every way that a page has."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{host}/embedding?src={src}", wait_until="load")
    found = page.evaluate("localStorage.ran === 'yes'")
    context.close()
    return bool(found)


def test_no_stored_object_runs_a_script_in_the_hosts_origin(browser: Any, host: str) -> None:
    assert ran(browser, host, "/unguarded"), "the test sees a script that runs"
    assert [key for key in _OBJECTS if ran(browser, host, f"{PUBLIC}/{key}")] == []
