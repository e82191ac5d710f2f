"""What faults are made of: stores and fleet hosts that answer as a fault says, and the run of one command."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager

from cxb_recordings import InMemoryCallRepository, register
from tests.servers.conversation import Received
from tests.servers.origin import Origin
from tests.servers.replies import reply, s3_error

KEY = "2026/05/s 1.wav"
AUDIO = b"RIFF" + bytes(range(256)) * 4
TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
SECRETS = {
    "fleet": "the-fleet-secret-of-this-test",
    "access": "origin-access-key",
    "secret": "origin-secret-key",
    "session": "the-session-token-of-this-test",
    "jwt": "the-jwt-secret-of-this-test-" + "k" * 16,
}
CALL: dict[str, object] = {"session_id": "s-1", "recording_key": KEY, "recording_access_token": TOKEN}
ADMIN = f"/api/v1/recordings/{CALL['session_id']}"

Answer = Callable[[Received], bytes | None]


@dataclass(frozen=True)
class Case:
    """One deployment, and the command that is run in it.

    Attributes:
        settings: what the settings provider returns; an exception is raised.
        arguments: behind ``flask recordings``.
        calls: of the repository; or a repository.
        config: of the Flask app.
        options: of ``register``.
        stdin: what the command reads.
        setup: called with the app, after ``register``.
    """

    settings: object
    arguments: tuple[str, ...] = ("doctor",)
    calls: Any = (CALL,)
    config: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    stdin: str = ""
    setup: Callable[[Flask], object] = lambda _: None


class Stage:
    """Servers for the faults of one test, and the names under which a page shows their addresses."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.request = request
        self.stack = ExitStack()
        self.shown: dict[str, str] = {}

    def server(self, answer: Answer | None, shown: str, tls: ssl.SSLContext | None = None, **options: Any) -> Origin:
        """A server that answers as it is told, until the test's end."""
        origin = self.stack.enter_context(Origin(answer=answer, tls=tls, **options))
        self.shown[f"127.0.0.1:{origin.port}"] = shown
        return origin

    def store(self, *rules: tuple[str, bytes], tls: ssl.SSLContext | None = None, **changes: object) -> dict[str, Any]:
        """The ``minio`` section of a store.

        Args:
            rules: a part of the request line (``GET /recordings/a``; empty for all), and the reply to what has it;
                all else is answered as a healthy store with one recording does.
            tls: of a store that speaks https.
            changes: of the section.
        """
        origin = self.server(lambda received: _s3(received, rules), "127.0.0.1:9000", tls)
        section = {"endpoint": origin.url, "bucket": "recordings", "access_key": SECRETS["access"]}
        return section | {"secret_key": SECRETS["secret"]} | changes

    def host(self, **options: Any) -> str:
        """The URL of a fleet host, healthy by default."""
        number = sum(shown.startswith("127.0.0.1:91") for shown in self.shown.values())
        return self.server(None, f"127.0.0.1:{9100 + number}", **({"secret": SECRETS["fleet"]} | options)).url

    def healthy(self, *rules: tuple[str, bytes], **changes: object) -> dict[str, object]:
        """Settings of a store and a fleet host, with `rules` for the store and `changes` of the settings."""
        secret = {"cxbcore_secret": SECRETS["fleet"]}
        return {"minio": self.store(*rules), "cxbcore_fleet": [self.host(recordings={})]} | secret | changes

    def fixture(self, name: str) -> Any:
        """A fixture of pytest's."""
        return self.request.getfixturevalue(name)

    def run(self, case: Case) -> str:
        """What a case's command prints, with the addresses that a page shows."""
        app = Flask("host")
        app.config.update({"JWT_SECRET_KEY": SECRETS["jwt"]} | dict(case.config))
        JWTManager(app)
        is_repository = hasattr(case.calls, "find_by_session_id")
        calls = case.calls if is_repository else InMemoryCallRepository(case.calls)
        register(app, lambda: _returned(case.settings), calls, **case.options)
        case.setup(app)
        result = app.test_cli_runner().invoke(args=["recordings", *case.arguments], input=case.stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        output: str = result.output
        for actual, shown in self.shown.items():
            output = output.replace(actual, shown)
        output = re.sub(r"expired at [-0-9: ]+ UTC", "expired at 2026-05-01 12:00:00 UTC", output)
        return re.sub(r"\d+ ms", "3 ms", re.sub(r"\b(1[12]\d\d|29\d|30\d) s (ahead|behind)", r"1200 s \2", output))


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    made = Stage(request)
    with made.stack:
        yield made


def _returned(settings: object) -> Any:
    if isinstance(settings, Exception):
        raise settings
    return settings


def dated(sent: bytes) -> bytes:
    """A reply with the present as its Date, unless it has one."""
    date = b"\r\nDate: %b\r\n" % formatdate(usegmt=True).encode()
    return sent if b"\r\nDate: " in sent else sent.replace(b"\r\n", date, 1)


def _s3(received: Received, rules: tuple[tuple[str, bytes], ...]) -> bytes:
    line = f"{received.method} {unquote(received.target)}"
    sent = next((sent for part, sent in rules if part in line), None) or _healthy(received)
    head, end, body = dated(sent).partition(b"\r\n\r\n")
    return head + end + (b"" if received.method == "HEAD" else body)


def listing(*keys: str) -> bytes:
    """A store's reply to a listing."""
    items = "".join(f"<Contents><Key>{quote(key)}</Key><Size>4</Size></Contents>" for key in keys)
    namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    return reply(
        200, {"Content-Type": "application/xml"}, f"<ListBucketResult {namespace}>{items}</ListBucketResult>".encode()
    )


def _healthy(received: Received) -> bytes:
    """What a store with one recording answers to a request."""
    parts = urlsplit(received.target)
    if "list-type=2" in parts.query:
        prefix = re.search(r"prefix=([^&]*)", parts.query)
        return listing(*[KEY] * KEY.startswith(unquote(prefix[1]) if prefix else ""))
    if unquote(parts.path) != f"/recordings/{KEY}":
        return s3_error(404, "NoSuchKey")
    headers = {"Content-Type": "audio/wav", "x-amz-request-id": "4442587FB7D0A2F9"}
    if received.headers["Range"] != "bytes=0-0" or received.method == "HEAD":
        return reply(200, headers | {"Content-Length": str(len(AUDIO))}, AUDIO)
    return reply(206, headers | {"Content-Range": f"bytes 0-0/{len(AUDIO)}"}, AUDIO[:1])
