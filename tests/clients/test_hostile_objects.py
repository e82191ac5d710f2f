"""What a store may hold besides audio: no browser runs any of it in the host's origin, opened or embedded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import wait_until
from tests.servers.moto_s3 import Bucket
from tests.servers.wsgi import WsgiServer

from .browsers import opened
from .site import PUBLIC

_SCRIPT = "try { localStorage.ran = 'yes' } catch (e) {} try { parent.localStorage.ran = 'yes' } catch (e) {}"
_OBJECTS = {
    "page.html": (f"<!doctype html><script>{_SCRIPT}</script>", "text/html"),
    "page.wav": (f"<!doctype html><script>{_SCRIPT}</script>", "text/html; charset=utf-8"),
    "picture.svg": (f'<svg xmlns="http://www.w3.org/2000/svg"><script>{_SCRIPT}</script></svg>', "image/svg+xml"),
    "script.js": (_SCRIPT, "text/javascript"),
    "sniffed": (f"<!doctype html><html><script>{_SCRIPT}</script>", ""),
    "audio.wav": (f"<!doctype html><script>{_SCRIPT}</script>", "audio/wav"),
    "video.html": (f"<!doctype html><script>{_SCRIPT}</script>", "video/mp4"),
    "picture.wav": (f'<svg xmlns="http://www.w3.org/2000/svg"><script>{_SCRIPT}</script></svg>', "audio/wav"),
    "markup": (f'<html xmlns="http://www.w3.org/1999/xhtml"><script>{_SCRIPT}</script></html>', "audio/x+xml"),
    "moving": (f'<svg xmlns="http://www.w3.org/2000/svg"><script>{_SCRIPT}</script></svg>', "video/svg+xml"),
    "riff.wav": (f"RIFF/*WAVEfmt */=1;{_SCRIPT}//<script>{_SCRIPT}</script>", "audio/wav"),
    "tagged.mp3": (f'ID3<html><body><script>{_SCRIPT}</script><img src=x onerror="{_SCRIPT}">', "audio/mpeg"),
}
# Embeds and opens every object, then what does run, and tells after each whether a script ran.
_ALL_PAGE = """<!doctype html><body><script>
const PATIENCE = 4000;  // milliseconds; no browser reports for each of these that it was loaded
const report = text => fetch("/report", {method: "POST", body: text});
const loaded = element => new Promise(resolve => {
    element.onload = element.onerror = resolve;
    setTimeout(resolve, PATIENCE);
    document.body.append(element);
});
function embed(link) {
    const tab = window.open(link);
    const elements = ["iframe", "embed", "script", "audio", "video"].map(name => {
        const element = document.createElement(name);
        element.src = link;
        return loaded(element);
    });
    const object = document.createElement("object");
    object.data = link;
    const inTab = new Promise(resolve => setTimeout(resolve, PATIENCE));
    return Promise.all([...elements, loaded(object), inTab]).then(() => tab.close());
}
(async () => {
    await Promise.all(LINKS.map(embed));
    await report("stored: " + localStorage.ran);
    await embed("/unguarded");
    await report("unguarded: " + localStorage.ran);
})();
</script>"""
_APP = """
from flask import Flask, Response, request
from flask_jwt_extended import JWTManager
from cxb_recordings import InMemoryCallRepository, register

app = Flask("host")
app.config["JWT_SECRET_KEY"] = "for these tests only, thirty-two bytes and more"
JWTManager(app)
calls = [{{"session_id": key, "recording_key": key, "recording_access_token": key}} for key in {keys!r}]
register(app, lambda: {{"minio": {minio!r}}}, InMemoryCallRepository(calls))


@app.get("/all")
def all_of_them():
    return {all_page!r}


@app.post("/report")
def report():
    with open({log!r}, "a") as file:
        file.write(request.get_data(as_text=True) + "\\n")
    return ""


@app.get("/unguarded")
def unguarded():
    return Response({page!r}, mimetype="text/html")
"""


@dataclass(frozen=True, slots=True)
class Host:
    """An application with the objects; what its pages report is in a file."""

    url: str
    reports: Path


@pytest.fixture
def host(
    request: pytest.FixtureRequest, moto_bucket: Bucket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    for key, (body, media_type) in _OBJECTS.items():
        moto_bucket.put(key, body.encode(), media_type)
    directory = tmp_path_factory.mktemp("host")
    source = _APP.format(
        keys=list(_OBJECTS),
        minio=moto_bucket.settings(),
        page=_OBJECTS["page.html"][0],
        all_page=_ALL_PAGE.replace("LINKS", json.dumps([f"{PUBLIC}/{key}" for key in _OBJECTS])),
        log=str(directory / "reports"),
    )
    server = WsgiServer(request, "gunicorn gthread", source, directory)
    server.start()
    yield Host(server.url, directory / "reports")
    server.kill()


@pytest.mark.parametrize("name", ["chromium", "firefox", "webkit"])
def test_no_stored_object_runs_a_script_in_the_hosts_origin(
    request: pytest.FixtureRequest, host: Host, name: str, tmp_path: Path
) -> None:
    def reported() -> list[str]:
        return host.reports.read_text().splitlines() if host.reports.exists() else []

    with opened(request, name, tmp_path / name, f"{host.url}/all"):
        wait_until(lambda: len(reported()) == 2, f"{name}'s reports", 100)
    assert reported() == ["stored: undefined", "unguarded: yes"]
