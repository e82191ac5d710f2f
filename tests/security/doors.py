"""What comes in from outside, made at random, and what must never come of it: a 500, a leak, a foreign host asked.

Five doors: requests, settings documents, call documents, the helpers that hosts call, and what hosts and clients do
between the opening of a recording and its end. ``test_fuzz`` opens each a
thousand times; ``python -m tests.security.fuzz`` as often as it is told.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest import mock
from urllib.parse import quote_from_bytes

from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import JWTManager, create_access_token
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

import cxb_recordings
from cxb_recordings import InMemoryCallRepository, RecordingError, RecordingService, register
from cxb_recordings.calls.repository import Call
from cxb_recordings.storage_urls import endpoint_url, region_from_endpoint
from tests.servers.origin import Origin
from tests.web import unruly_host

from .unruly_door import Play, header_values, play_at, plays

TOKEN = "token-that-must-not-leak-0123456789"
FLEET_SECRET = "fleet-secret-that-must-not-leak"
ACCESS_KEY = "ACCESSKEYTHATMUSTNOTLEAK"
SECRET_KEY = "secret-key-that-must-not-leak"
SECRETS = {"token": TOKEN, "fleet secret": FLEET_SECRET, "access key": ACCESS_KEY, "secret key": SECRET_KEY}
JWT_KEY = "for these tests only, thirty-two bytes and more"
KEY = "2026/05/call one+ü.wav"
DATA = bytes(range(256)) * 40


class Watch(logging.Handler):
    """Remembers what the library logs, formatted, with its fields."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += f"{record.getMessage()} {vars(record)}\n"
        if record.exc_info:
            self.text += logging.Formatter().formatException(record.exc_info)


class _Calls:
    """The world's calls, until a door puts a document of its own in their place."""

    def __init__(self, world: World, calls: InMemoryCallRepository) -> None:
        self._world = world
        self._calls = calls

    def find_by_session_id(self, session_id: str) -> Call | None:
        document: Call | None = self._world.call
        return document if document is not None else self._calls.find_by_session_id(session_id)

    def find_by_access_token(self, token: str) -> Call | None:
        document: Call | None = self._world.call
        return document if document is not None else self._calls.find_by_access_token(token)


@dataclass
class World:
    """A host with one recording on one fleet host, whose settings and calls a door may replace for one request."""

    fleet: Origin
    app: Flask = field(init=False)
    client: FlaskClient = field(init=False)
    service: RecordingService = field(init=False)
    settings: Any = None
    call: Any = None
    asked_hosts: set[str] = field(default_factory=set)
    unruly: Flask = field(default_factory=unruly_host.make_app)

    def __post_init__(self) -> None:
        self.app = Flask("host")
        self.app.testing = True  # exceptions reach the test, instead of becoming a 500
        self.app.config["JWT_SECRET_KEY"] = self.app.secret_key = JWT_KEY
        JWTManager(self.app)
        known = {"session_id": "known", "recording_key": KEY, "recording_access_token": TOKEN}
        calls = InMemoryCallRepository(
            [
                known,
                known
                | {"session_id": "expired", "recording_access_token": "expired"}
                | {"recording_access_expires_at": datetime.now(timezone.utc) - timedelta(days=1)},
            ]
        )

        self.good_settings = {"cxbcore_fleet": [{"url": self.fleet.url, "secret": FLEET_SECRET}]}
        self.settings = self.good_settings
        options: dict[str, Any] = {"connect_timeout": 0.5, "read_timeout": 5, "playback_url_prefix": "/api/v1/playback"}
        self.service = register(self.app, lambda: self.settings, _Calls(self, calls), **options)
        self.client = self.app.test_client(
            use_cookies=False
        )  # its jar chokes on some Host headers, before the host does
        with self.app.app_context():
            self.jwt = create_access_token("boss", additional_claims={"role": "admin"})

    @contextmanager
    def watched(self) -> Iterator[Watch]:
        """Nothing is resolved but the fleet host's loopback address; what is logged must hold no secret."""
        watch = Watch()
        resolve = socket.getaddrinfo

        def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else str(host)
            self.asked_hosts.add(name)
            if name != "127.0.0.1":
                raise socket.gaierror(socket.EAI_NONAME, "not resolved in tests")
            return resolve(host, *args, **kwargs)

        logger = logging.getLogger("cxb_recordings")
        logger.addHandler(watch)
        self.asked_hosts.clear()
        try:
            with mock.patch("socket.getaddrinfo", getaddrinfo):
                yield watch
        finally:
            logger.removeHandler(watch)
        assert_no_secret(watch.text)

    def get(self, path: str, method: str = "GET", headers: Headers | None = None) -> TestResponse:
        """One request; its body is read, and must hold no secret."""
        response = self.client.open(path, method=method, headers=headers)
        assert response.status_code != 500
        assert_no_secret(f"{response.headers}{response.get_data()!r}")
        return response


def assert_no_secret(text: str) -> None:
    """Fail where a secret is in `text`; without showing it."""
    leaked = [name for name, secret in SECRETS.items() if secret in text]
    assert not leaked


# --- What is tried.

nasty_text = st.sampled_from(
    ["..", ".", "%2e%2e", "../../etc/passwd", "\\..\\", "//evil.example/x", "http://evil.example/x"]
    + [
        *("user@evil.example", "a\r\nX-Evil: 1", "a\x00b", "\ud800", "x" * 5000, "", " ", "{'$ne': None}"),
        *('{"$gt": ""}', "%00", "%"),
    ]
    + [
        *("＠", "🎧", TOKEN, TOKEN + "\n", "expired", "known", KEY, "/" + KEY, KEY + "/"),
        *("https://[::1", "http://127.0.0.1:1/a"),
    ]
)
text = nasty_text | st.text(max_size=60)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(text, children, max_size=3),
    max_leaves=8,
)

# Not Host: the test client of Werkzeug 3.0.6 trips over some values itself, before any request is made.
header_names = st.sampled_from(
    ["Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Authorization"]
    + ["Accept", "Accept-Encoding", "Cookie", "X-Forwarded-For", "Expect", "TE", "Content-Length"]
)
headers = st.lists(st.tuples(header_names, header_values), max_size=4)
methods = st.sampled_from(["GET", "HEAD", "GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE"])
segments = st.binary(max_size=40) | text.map(lambda value: value.encode(errors="surrogatepass"))
# The admin route tells in logs and signals which session id was asked for: a token typed there is its typist's slip.
requests = st.tuples(
    st.sampled_from(["public/recordings", "recordings", "playback"]), segments, methods, headers, st.booleans()
).filter(lambda request: request[0] != "recordings" or TOKEN.encode() not in request[1])

storage_fields = st.sampled_from(
    ["endpoint", "access_key", "access", "secret_key", "secret", "bucket", "region", "secure", "extra"]
)
good_storage = {
    "endpoint": "storage.invalid",
    "access_key": ACCESS_KEY,
    "secret_key": SECRET_KEY,
    "bucket": "recordings",
}
storage_sections = json_values | st.dictionaries(storage_fields, json_values, max_size=8).map(
    lambda changes: good_storage | changes
)
fleet_entries = json_values | st.fixed_dictionaries({"url": json_values, "secret": json_values | st.just(FLEET_SECRET)})
settings_documents = json_values | st.fixed_dictionaries(
    {},
    optional={
        "minio": storage_sections,
        "cxbcore_fleet": json_values | st.lists(fleet_entries, max_size=3),
        "cxbcore_secret": json_values | st.just(FLEET_SECRET),
    },
)
call_documents = json_values | st.fixed_dictionaries(
    {},
    optional={
        "recording_key": json_values,
        "recording_url": json_values,
        # A call's own session id is told in logs and signals by design; one that is a token would be its host's slip.
        "session_id": json_values.filter(lambda value: TOKEN not in str(value)),
        "recording_access_token": json_values | st.just(TOKEN),
    },
)

# --- The doors.


def open_with_request(world: World, request: tuple[str, bytes, str, list[tuple[str, str]], bool]) -> None:
    """Any path parameter, method and headers."""
    route, segment, method, pairs, is_admin = request
    sent = Headers(pairs)
    if is_admin:
        sent["Authorization"] = f"Bearer {world.jwt}"
    with world.watched():
        response = world.get(f"/api/v1/{route}/{quote_from_bytes(segment, safe='')}", method, sent)
    assert response.status_code < 500
    if response.status_code in (200, 206) and method == "GET":
        assert response.get_data() in DATA
    assert world.asked_hosts <= {"127.0.0.1"}


def open_with_settings(world: World, document: Any) -> None:
    """Any system settings, for a call that is known."""
    world.settings = document
    try:
        with world.watched():
            response = world.get(f"/api/v1/public/recordings/{TOKEN}")
    finally:
        world.settings = world.good_settings
    assert response.status_code in (200, 404)
    written = str(document).lower()
    assert all(host.strip("[]") in written for host in world.asked_hosts), "a host that is in no setting was asked"


def open_with_call(world: World, document: Any) -> None:
    """Any call document, with a store and a fleet host to ask."""
    world.call = document
    world.settings = world.good_settings | {"minio": good_storage}
    try:
        with world.watched():
            for path in ("public/recordings/some-token", "recordings/some-session"):
                admin = Headers({"Authorization": f"Bearer {world.jwt}"})
                response = world.get(f"/api/v1/{path}", headers=admin)
                assert response.status_code in (200, 404, 503)
                assert response.status_code != 503 or not isinstance(document, dict)
    finally:
        world.call, world.settings = None, world.good_settings
    assert world.asked_hosts <= {"127.0.0.1", "storage.invalid"}


def play_at_an_unruly_host(world: World, play: Play) -> None:
    """Hooks, teardowns and receivers that raise, odd bytes in a request, and clients that leave: nothing stays held."""
    try:
        play_at(world.unruly, play)
    except BaseException:
        world.unruly = unruly_host.make_app()  # what this play has left behind is not the next one's fault
        raise


def call_helpers(world: World, values: tuple[Any, Any, Any]) -> None:
    """Any values for the functions that hosts call: a documented error, or none."""
    one, two, settings = values
    call = one if isinstance(one, dict) else {"recording_url": one, "recording_key": two}
    helpers: list[Callable[[], object]] = [
        lambda: cxb_recordings.extract_s3_key_from_url(one, two if isinstance(two, str) else None),
        lambda: cxb_recordings.crm_url_problem(one, settings if isinstance(settings, dict) else None),
        lambda: cxb_recordings.build_public_recording_url(one, two),
        lambda: cxb_recordings.crm_recording_url(call, "host.example", allow_signed_fallback=True, settings=settings),
        lambda: cxb_recordings.generate_signed_url(settings, one, two),
        lambda: cxb_recordings.generate_temporary_public_url(settings, one, two),
        lambda: cxb_recordings.enrich_call_with_accessible_url(call, settings),
        lambda: cxb_recordings.recording_key_from_call(call),
        lambda: world.service.playback_url(one, "host.example", identity=two),
        lambda: world.service.playback_url("known", one, seconds=two),
        lambda: region_from_endpoint(one),
        lambda: endpoint_url(one),
        lambda: repr(cxb_recordings.settings.read_settings(settings)),
    ]
    with world.watched():
        for helper in helpers:
            with suppress(RecordingError, ValueError):
                assert_no_signature_key(helper())
    assert not world.asked_hosts


def assert_no_signature_key(result: object) -> None:
    """A signed URL names the access key by design, and never the secret one."""
    assert SECRET_KEY not in str(result)
    assert FLEET_SECRET not in str(result)


DOORS: dict[str, tuple[Callable[[World, Any], None], st.SearchStrategy[Any]]] = {
    "requests": (open_with_request, requests),
    "settings": (open_with_settings, settings_documents),
    "calls": (open_with_call, call_documents),
    "unruly hosts": (play_at_an_unruly_host, plays),
    "helpers": (call_helpers, st.tuples(json_values, json_values, settings_documents)),
}
