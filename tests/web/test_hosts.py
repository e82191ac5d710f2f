"""Hosts of every shape: factories, nested blueprints, sub-paths, proxies, CORS, handlers and hooks of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.wsgi import WsgiToAsgi
from flask import Blueprint, Flask, Response, g, has_app_context, jsonify, url_for
from flask_cors import CORS
from flask_jwt_extended import JWTManager
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

from cxb_recordings import (
    InMemoryCallRepository,
    InvalidRegistration,
    RecordingService,
    register,
    signals,
    stream_recording_key,
)
from cxb_recordings.errors import StreamBroken
from cxb_recordings.pytest_plugin import HoldInMemory
from cxb_recordings.testing import InMemoryRecordings, InMemorySource

from .site import PREFIXES, Route, admin_headers, host_app

KEY = "2026/05/s-1.wav"
DATA = bytes(range(256)) * 4000
CALL = {"session_id": "s-1", "recording_key": KEY, "recording_access_token": "token"}
LINK = f"{PREFIXES['public']}/token"
RANGE = {"Range": "bytes=5-9"}


def create_app(**options: Any) -> Flask:
    """An app factory as hosts have it."""
    app = host_app(**options.pop("config", {}))
    register(app, dict, InMemoryCallRepository([CALL]), **options)
    return app


@pytest.fixture
def app() -> Flask:
    return create_app()


@pytest.fixture
def held(app: Flask, recordings_in_memory: HoldInMemory) -> Iterator[InMemoryRecordings]:
    """The app's recordings, of which there is one; none is left open."""
    held = recordings_in_memory(app, InMemorySource({KEY: DATA}))
    yield held
    assert all(body.closed for body in held.source.bodies)


def service_of(app: Flask) -> RecordingService:
    service: RecordingService = app.extensions["cxb_recordings"]
    return service


def assert_plays(client: Client, path: str = LINK, **arguments: Any) -> None:
    """A whole recording, a range, a HEAD, and no recording."""
    assert client.get(path, **arguments).data == DATA
    ranged = client.get(path, headers=RANGE, **arguments)
    assert (ranged.status_code, ranged.data) == (206, DATA[5:10])
    assert client.head(path, **arguments).headers["Content-Length"] == str(len(DATA))
    absent = client.get(path.replace("token", "unknown"), **arguments)
    assert (absent.status_code, absent.content_type) == (404, "application/problem+json")


def test_each_app_of_a_factory_has_settings_options_and_recordings_of_its_own(
    recordings_in_memory: HoldInMemory,
) -> None:
    one, two = create_app(), create_app(public_url_prefix="/listen", outage_status=503)
    recordings_in_memory(one, InMemorySource({KEY: DATA}))
    down = recordings_in_memory(two, InMemorySource(is_down=True))

    assert_plays(one.test_client())
    assert two.test_client().get("/listen/token").status_code == 503
    assert two.test_client().get(LINK).status_code == 404
    assert len(down.heard(signals.RecordingNotFound)) == 1
    assert service_of(two).build_public_recording_url("h.example", "t") == "https://h.example/listen/t"


def test_an_extension_may_be_set_up_after_the_app_and_before_register(recordings_in_memory: HoldInMemory) -> None:
    jwt, calls, app = JWTManager(), InMemoryCallRepository([CALL]), Flask("host")
    app.config["JWT_SECRET_KEY"] = "a key of sixty-four characters, as long as the longest hash needs"
    jwt.init_app(app)
    register(app, dict, calls)
    recordings_in_memory(app, InMemorySource({KEY: DATA}))

    assert app.test_client().get(f"{PREFIXES['admin']}/s-1", headers=admin_headers(app)).data == DATA


def test_a_view_in_nested_blueprints_plays_and_links(app: Flask, held: InMemoryRecordings) -> None:
    outer, inner = Blueprint("outer", __name__, url_prefix="/desk"), Blueprint("inner", __name__, url_prefix="/calls")
    inner.register_error_handler(404, lambda _: ("the host's page", 404))
    inner.add_url_rule("/<path:key>/audio", "audio", stream_recording_key)
    inner.add_url_rule("/link", "link", lambda: url_for("cxb_recordings_public.recording", token="token"))
    outer.register_blueprint(inner)
    app.register_blueprint(outer, url_prefix="/app")
    client = app.test_client()

    assert client.get(f"/app/calls/{KEY}/audio", headers=RANGE).data == DATA[5:10]
    assert client.get("/app/calls/absent.wav/audio").content_type == "application/problem+json"
    assert client.get("/app/calls/link").text == LINK


def with_links(app: Flask) -> Flask:
    """The app, with a view that shows the link that Flask makes and the one that the service makes."""

    @app.get("/links")
    def links() -> list[str]:
        made = url_for("cxb_recordings_public.recording", token="token", _external=True)
        host, scheme = made.split("/")[2], made.split(":")[0]
        return [made, service_of(app).build_public_recording_url(host, "token", scheme=scheme)]

    return app


def test_an_app_below_a_path_plays_and_links_there(recordings_in_memory: HoldInMemory) -> None:
    app = with_links(create_app(config={"APPLICATION_ROOT": "/voice"}))
    recordings_in_memory(app, InMemorySource({KEY: DATA}))
    client = Client(DispatcherMiddleware(Flask("front"), {"/voice": app}), Response)

    assert_plays(client, f"/voice{LINK}")
    assert client.get(LINK).status_code == 404
    assert client.get("/voice/links", base_url="https://h.example").json == [f"https://h.example/voice{LINK}"] * 2
    printed = app.test_cli_runner().invoke(args=["recordings", "link", "s-1", "--host", "h.example"])
    assert printed.output.splitlines()[-1] == f"https://h.example/voice{LINK}"


@pytest.mark.parametrize("root", [None, "voice", "https://h.example/voice", "/a b"])
def test_a_path_that_no_app_can_be_below_is_a_mistake(root: object) -> None:
    with pytest.raises(InvalidRegistration, match="app: its APPLICATION_ROOT"):
        create_app(config={"APPLICATION_ROOT": root})


def test_behind_a_proxy_links_have_its_host_scheme_and_prefix(recordings_in_memory: HoldInMemory) -> None:
    app = with_links(create_app(config={"APPLICATION_ROOT": "/voice"}))
    recordings_in_memory(app, InMemorySource({KEY: DATA}))
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]
    forwarded = {"Proto": "https", "Host": "calls.example.com", "Prefix": "/voice", "For": "192.0.2.1"}
    headers = {f"X-Forwarded-{name}": value for name, value in forwarded.items()}
    client = app.test_client()

    assert client.get("/links", headers=headers).json == [f"https://calls.example.com/voice{LINK}"] * 2
    assert client.get(LINK, headers=headers | RANGE).data == DATA[5:10]


def test_with_flask_cors_a_page_elsewhere_may_fetch_ranges_and_read_their_headers(
    app: Flask, held: InMemoryRecordings, route: Route
) -> None:
    exposed = ["Accept-Ranges", "Content-Length", "Content-Range", "ETag"]
    CORS(
        app,
        origins=["https://crm.example"],
        allow_headers=["Authorization", "Range", "If-Range"],
        expose_headers=exposed,
    )
    client, path = app.test_client(), LINK if route == "public" else f"{PREFIXES['admin']}/s-1"
    asks = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization, range"}

    preflight = client.options(path, headers={"Origin": "https://crm.example", **asks})
    reply = client.get(path, headers={"Origin": "https://crm.example", **RANGE, **admin_headers(app)})
    refused = client.get(path, headers={"Origin": "https://evil.example", **admin_headers(app)})

    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://crm.example"
    assert {"Authorization", "Range"} <= set(preflight.headers["Access-Control-Allow-Headers"].title().split(", "))
    assert (reply.status_code, reply.data) == (206, DATA[5:10])
    assert reply.headers["Access-Control-Allow-Origin"] == "https://crm.example"
    assert reply.headers["Access-Control-Expose-Headers"].split(", ") == exposed
    assert reply.headers["Content-Range"] == f"bytes 5-9/{len(DATA)}"
    assert "Access-Control-Allow-Origin" not in refused.headers
    problem = client.get(path.replace("token", "no").replace("s-1", "no"), headers={"Origin": "https://crm.example"})
    assert problem.headers["Access-Control-Allow-Origin"] == "https://crm.example"
    assert problem.content_type == "application/problem+json"


def test_static_files_at_the_root_and_a_route_for_everything_take_nothing_away(
    recordings_in_memory: HoldInMemory, tmp_path: Any
) -> None:
    app = Flask("host", static_url_path="", static_folder=tmp_path)
    app.add_url_rule("/", "page", lambda path="": f"the host's page {path}", methods=["GET", "POST"])
    app.add_url_rule("/<path:path>", "page", methods=["GET", "POST"])
    register(app, dict, InMemoryCallRepository([CALL]), require_admin=lambda view: view)
    recordings_in_memory(app, InMemorySource({KEY: DATA}))
    client = app.test_client()

    assert_plays(client)
    assert client.get(f"{PREFIXES['admin']}/s-1").data == DATA
    assert client.get("/elsewhere").status_code in (200, 404)
    assert client.options(LINK).status_code == 200


def test_json_handlers_of_the_host_get_none_of_the_librarys_answers(app: Flask, held: InMemoryRecordings) -> None:
    seen: list[Exception] = []

    def as_json(error: Exception) -> tuple[Response, int]:
        seen.append(error)
        status = error.code if isinstance(error, HTTPException) else 500
        return jsonify(error=str(error)), status or 500

    for kind in (404, 412, 416, 500, HTTPException, Exception):
        app.register_error_handler(kind, as_json)
    app.config["TESTING"] = app.testing = False
    client = app.test_client()

    assert_plays(client)
    assert client.get(LINK, headers={"Range": "bytes=99999999-"}).content_type == "application/problem+json"
    assert client.get(LINK, headers={"If-Match": '"x"'}).content_type == "application/problem+json"
    assert client.get(f"{PREFIXES['admin']}/s-1").content_type == "application/problem+json"
    held.source.is_down = True
    assert client.get(LINK).content_type == "application/problem+json"
    assert seen == []
    page = client.get("/no/such/page")
    assert (page.status_code, page.mimetype, len(seen)) == (404, "application/json", 1)


def test_a_break_in_the_middle_ends_no_reply_quietly_whatever_the_host_handles(
    app: Flask, held: InMemoryRecordings
) -> None:
    app.register_error_handler(Exception, lambda _: ("the host's page", 500))
    app.testing = False
    held.source.breaks = [20_000, *[0] * 20]

    with app.test_client().get(LINK) as reply, pytest.raises(StreamBroken):
        reply.get_data()


def test_a_database_session_is_closed_before_the_first_byte_and_not_needed_after(
    app: Flask, held: InMemoryRecordings
) -> None:
    order: list[str] = []

    @app.before_request
    def open_session() -> None:
        g.session = "session"
        order.append("opened")

    @app.teardown_appcontext
    def close_session(_: BaseException | None) -> None:
        order.append(f"{g.pop('session')} closed")

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": LINK, "SERVER_NAME": "h", "SERVER_PORT": "80"}
    environ |= {"SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http"}
    body = app.wsgi_app(environ, lambda *_: order.append("headers"))  # type: ignore[arg-type]
    assert not has_app_context()
    assert order == ["opened", "headers", "session closed"]
    assert b"".join(body) == DATA
    body.close()  # type: ignore[attr-defined]
    assert len(order) == 3


def test_hooks_that_add_headers_see_a_reply_that_streams(app: Flask, held: InMemoryRecordings) -> None:
    @app.after_request
    def harden(response: Response) -> Response:
        assert response.is_streamed
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response

    reply = app.test_client().get(LINK, headers=RANGE)

    assert (reply.data, reply.headers["Strict-Transport-Security"]) == (DATA[5:10], "max-age=31536000")


def test_the_test_client_streams_and_frees_the_upstream_when_it_leaves(app: Flask, held: InMemoryRecordings) -> None:
    reply = app.test_client().get(LINK)
    chunks = reply.iter_encoded()

    assert DATA.startswith(next(chunks))
    [body] = held.source.bodies
    assert (body.closed, body.position < len(DATA)) == (False, True)
    reply.close()

    assert body.closed
    assert [event.complete for event in held.heard(signals.RecordingServed)] == [False]


async def converse(app: Flask, send: Any, method: str = "GET", headers: dict[str, str] | None = None) -> None:
    """One request to an ASGI app, whose messages go to `send`."""
    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": LINK, "query_string": b""}
    scope |= {"headers": pairs, "scheme": "http", "server": ("h", 80), "client": ("127.0.0.1", 1), "root_path": ""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    await WsgiToAsgi(app)(scope, receive, send)  # type: ignore[no-untyped-call]


class Asgi:
    """A conversation with an ASGI app: one request, and what it sent before the listener left, if ever."""

    def __init__(
        self, app: Flask, *, method: str = "GET", headers: dict[str, str] | None = None, leaves_after: int | None = None
    ) -> None:
        self.sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            if len(self.sent) == leaves_after:
                raise ConnectionResetError
            self.sent.append(message)

        asyncio.run(converse(app, send, method, headers))

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def test_an_async_host_plays_through_asgiref(app: Flask, held: InMemoryRecordings) -> None:
    whole, ranged = Asgi(app), Asgi(app, headers=RANGE)

    assert (whole.status, whole.body) == (200, DATA)
    assert len(whole.sent) > 4, "it is streamed"
    assert (ranged.status, ranged.body) == (206, DATA[5:10])
    assert Asgi(app, method="HEAD").body == b""
    with pytest.raises(ConnectionResetError):
        Asgi(app, leaves_after=3)
    assert held.source.bodies[-1].position < len(DATA)
    held.source.breaks = [20_000, *[0] * 20]
    with pytest.raises(StreamBroken):
        Asgi(app)


def test_under_asgiref_a_listener_waits_until_the_one_before_has_finished(app: Flask, held: InMemoryRecordings) -> None:
    async def listen() -> None:
        goes_on, began = asyncio.Event(), list[object]()

        async def send(message: object) -> None:
            began.append(message)
            await goes_on.wait()

        both = [asyncio.create_task(converse(app, send)) for _ in range(2)]
        await asyncio.wait(both, timeout=0.3)
        assert len(began) == 1
        goes_on.set()
        await asyncio.gather(*both)

    asyncio.run(listen())
