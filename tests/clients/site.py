"""The host application that the clients talk to, and its recordings: real audio, in storage and on a fleet host.

The application logs each request for a recording, so that a test sees what a client asked.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import requests
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token

from examples.audio import encode, make_wav
from tests.servers.moto_s3 import Bucket
from tests.servers.origin import Origin

# Encoding is what takes time here; the WAV alone is long, so that nobody reads it ahead as a whole.
SECONDS = {"wav": 600, "mp3": 90, "ogg": 90, "m4a": 90}
MEDIA_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "ogg": "audio/ogg", "m4a": "audio/mp4"}
SOURCES = ("storage", "fleet")
PUBLIC = "/api/v1/public/recordings"
ADMIN = "/api/v1/recordings"
_JWT_KEY = "for these tests only, thirty-two bytes and more"

_APP = """
import json
from flask import Flask, request
from flask_jwt_extended import JWTManager
from cxb_recordings import InMemoryCallRepository, register

app = Flask("host")
app.config |= {{"JWT_SECRET_KEY": {jwt_key!r}, "JWT_TOKEN_LOCATION": ["headers", "cookies"]}}
JWTManager(app)
calls = [{{"session_id": key, "recording_key": key, "recording_access_token": key}} for key in {keys!r}]
settings = {settings!r}
register(app, lambda: settings, InMemoryCallRepository(calls))


@app.get("/player")
def player():
    return f'<!doctype html><title>player</title><audio preload="metadata" src="{{request.args["src"]}}"></audio>'


@app.after_request
def log(response):
    if request.path.startswith("/api/"):
        with open({log!r}, "a") as file:
            entry = {{"path": request.path, "range": request.headers.get("Range"), "status": response.status_code}}
            file.write(json.dumps(entry) + "\\n")
    return response
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Recordings and the application that plays them.

    Attributes:
        source: the application's Python source, for a WSGI server.
        recordings: the bytes by file ending; each stands under ``{source}.{ending}``.
        log: what was asked, one JSON object a line.
    """

    source: str
    recordings: dict[str, bytes]
    log: Path

    def requests(self, path: str) -> list[dict[str, object]]:
        """What was asked of a path up to now."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["path"] == path]


def make_recordings(ffmpeg: str, directory: Path) -> dict[str, bytes]:
    """The same call in each format; the m4a has its index (moov) behind the audio, as ffmpeg writes it."""
    short = make_wav(SECONDS["m4a"])
    files = {"wav": make_wav(SECONDS["wav"])} | {ending: data for ending, (_, data) in encode(short).items()}
    target = directory / "call.m4a"
    command = [ffmpeg, "-loglevel", "error", "-i", "pipe:0", "-c:a", "aac", str(target)]
    subprocess.run(command, input=short, check=True, timeout=60)
    files["m4a"] = target.read_bytes()
    assert files["m4a"].index(b"mdat") < files["m4a"].index(b"moov")
    return files


def make_site(recordings: dict[str, bytes], bucket: Bucket, host: Origin, directory: Path) -> Site:
    """Put the recordings where they belong, and write the application."""
    for ending, data in recordings.items():
        bucket.put(f"storage.{ending}", data, MEDIA_TYPES[ending])
        host.recordings[f"fleet.{ending}"] = data
    settings = {"minio": bucket.settings(), "cxbcore_fleet": [host.url]}
    keys = [f"{source}.{ending}" for source in SOURCES for ending in recordings]
    log = directory / "requests.log"
    source = _APP.format(jwt_key=_JWT_KEY, keys=[*keys, "absent.wav"], settings=settings, log=str(log))
    return Site(source, recordings, log)


def admin_token() -> str:
    """An access token of an administrator."""
    app = Flask("host")
    app.config["JWT_SECRET_KEY"] = _JWT_KEY
    JWTManager(app)
    with app.app_context():
        token: str = create_access_token("anna", additional_claims={"role": "admin"})
        return token


def ask(url: str, method: str = "GET", **headers: str) -> requests.Response:
    """One request on a connection of its own, without what `requests` adds by itself."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, headers={"Accept-Encoding": "identity"} | headers, timeout=20)
