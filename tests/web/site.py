"""A host application with both routes, and the means to ask them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import JWTManager, create_access_token
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from cxb_recordings import InMemoryCallRepository, register
from tests.servers.conversation import Received
from tests.servers.moto_s3 import Bucket
from tests.servers.origin import Origin
from tests.servers.relay import Relay

Route = Literal["admin", "public"]
ROUTES: tuple[Route, ...] = ("admin", "public")
KEY = "2024/05/call 1.wav"
JWT_KEY = "a key of sixty-four characters, as long as the longest hash needs"
PREFIXES = {"admin": "/api/v1/recordings", "public": "/api/v1/public/recordings"}


def host_app(**config: object) -> Flask:
    """A Flask application with flask-jwt-extended, as hosts have it; exceptions in it reach the test."""
    app = Flask("host")
    app.config |= {"JWT_SECRET_KEY": JWT_KEY, "TESTING": True, **config}
    JWTManager(app)
    return app


def admin_headers(app: Flask, **claims: object) -> dict[str, str]:
    """The headers of an administrator, or of a user with other `claims`."""
    with app.app_context():
        token = create_access_token("anna", additional_claims={"role": "admin"} | claims)
    return {"Authorization": f"Bearer {token}"}


class Site:
    """A host application on given system settings, with a call for each key that is asked for."""

    def __init__(self, settings: Mapping[str, object] | Callable[..., Any], **options: Any) -> None:
        self.app = host_app()
        self.calls = InMemoryCallRepository()
        self.provider = settings if callable(settings) else lambda: settings
        self.service = register(self.app, self.provider, self.calls, **options)
        self.service.sleep = lambda _: None  # between two rounds of retries
        self.client: FlaskClient = self.app.test_client()
        self.admin = admin_headers(self.app)
        self._paths: dict[tuple[Route, str], str] = {}

    def path(self, key: str = KEY, route: Route = "public") -> str:
        """Where a recording is played; makes its call, and that call's token."""
        if (route, key) not in self._paths:
            session_id = f"s-{len(self._paths)}"
            self.calls.add({"session_id": session_id, "recording_key": key})
            token = self.calls.ensure_token(session_id)
            self._paths["admin", key] = f"{PREFIXES['admin']}/{session_id}"
            self._paths["public", key] = f"{PREFIXES['public']}/{token}"
        return self._paths[route, key]

    def ask(
        self,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        *,
        key: str = KEY,
        route: Route = "public",
        query: str = "",
        http: str = "HTTP/1.1",
    ) -> TestResponse:
        """Send one request, as an administrator on the admin route, and read the whole reply."""
        return self.client.open(
            self.path(key, route),
            method=method,
            headers={**(self.admin if route == "admin" else {}), **(headers or {})},
            query_string=query,
            environ_overrides={"SERVER_PROTOCOL": http},
            buffered=True,
        )


class Upstream(Site):
    """A site with one source, which a relay watches.

    Attributes:
        kind: ``moto``, ``ceph``, ``seaweedfs``, ``rclone`` or ``fleet``.
        relay: in front of the source.
    """

    def __init__(self, kind: str, source: Bucket | Origin) -> None:
        self.kind = kind
        self.source = source
        if isinstance(source, Bucket):
            self.relay = Relay(source.server.endpoint)
            settings: dict[str, object] = {"minio": source.settings(endpoint=self.relay.url)}
        else:
            self.relay = Relay(source.url)
            settings = {"cxbcore_fleet": [self.relay.url], "cxbcore_secret": source.secret}
        super().__init__(settings)

    @property
    def requests(self) -> list[Received]:
        """What the source was asked since :meth:`reset`."""
        return self.relay.requests

    def reset(self) -> None:
        """Forget what earlier tests asked and stored."""
        self.relay.requests.clear()
        if isinstance(self.source, Origin):
            self.source.fault, self.source.validator = None, "strong"
            self.source.recordings.clear()

    def store(self, data: bytes, key: str = KEY, media_type: str = "audio/wav") -> None:
        """Put a recording into the source."""
        if isinstance(self.source, Bucket):
            self.source.put(key, data, media_type)
        else:
            self.source.recordings[key] = data
            self.source.media_type = media_type

    def remove(self, key: str = KEY) -> None:
        """Take a recording away."""
        if isinstance(self.source, Bucket):
            self.source.client.delete_object(Bucket=self.source.name, Key=key)
        else:
            self.source.recordings.pop(key, None)

    def stop(self) -> None:
        """End the relay, and the source where it is a fleet host."""
        self.relay.stop()
        if isinstance(self.source, Origin):
            self.source.stop()


class Scripted(Site):
    """A site with one source that sends exactly the bytes a test wants.

    Attributes:
        kind: ``storage`` or ``fleet``.
        origin: the source.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.origin = Origin(answer=lambda _: b"")
        super().__init__(self.origin.storage() if kind == "storage" else self.origin.fleet())

    def answers(self, *replies: bytes) -> None:
        """Send one reply after the other, the last one again and again; forget what was asked before."""
        self.origin.requests.clear()
        remaining = list(replies)
        self.origin.answer = lambda _: remaining.pop(0) if len(remaining) > 1 else remaining[0]


class _QuietHandler(WSGIRequestHandler):
    def log(self, *args: object) -> None:
        pass


@contextmanager
def serving(app: Flask) -> Iterator[tuple[str, int]]:
    """Flask's own server, in a thread; gives host and port."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.002,), daemon=True)
    thread.start()
    try:
        yield "127.0.0.1", server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
