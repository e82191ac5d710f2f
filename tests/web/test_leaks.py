"""Nothing of a playback is held where its reply does not reach the server: no slot, no upstream, no gauge."""

from __future__ import annotations

import gc
import http.client
import importlib.util
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cxb_recordings import InMemoryCallRepository, register, stream_recording_key
from cxb_recordings.errors import StreamBroken
from cxb_recordings.playback.conditions import PlaybackRequest
from cxb_recordings.testing import InMemorySource
from tests.servers import missing, wait_until
from tests.servers.gunicorn import Gunicorn, gunicorns

from .unruly_host import DATA, KEY, NOTHING_HELD, OWN, PUBLIC, TRICKS, make_app

# Their replies are a success and may carry the stream, as far as anybody knows before they end.
_UNTIL_THE_END = {"after_request raises, and the host's page is 200", "after_request makes it a 204"}

_PLAYING = {trick for trick, (_, plays) in TRICKS.items() if plays}
# Without a close, these are left to the collector: an exception, or a log record of one, keeps frames that refer to the
# stream.
_KEPT_BY_EXCEPTIONS = {"recording_started raises", "request_answered raises", "the view aborts with the reply"}


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Cycles stay where they are: a traceback keeps its frames, and with them the reply."""
    gc.disable()
    yield
    gc.enable()


def asked(client: FlaskClient, path: str, trick: str, **options: Any) -> TestResponse | None:
    """The reply, unread; None where the exception reaches the caller."""
    try:
        return client.get(path, headers={"X-Trick": trick}, **options)
    except (Exception, SystemExit):  # noqa: BLE001 - what is raised is the trick's affair
        return None


def held(client: FlaskClient) -> Any:
    return client.get("/held", buffered=True).json


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("propagates", [False, True])
@pytest.mark.parametrize("trick", TRICKS)
def test_a_reply_that_does_not_carry_the_recording_holds_nothing(trick: str, propagates: bool) -> None:
    path, plays = TRICKS[trick]
    app = make_app()
    app.testing = propagates
    client = app.test_client()
    for _ in range(2):  # the second would be a 503, if the first held anything
        reply = asked(client, path, trick)
        assert reply is None or reply.status_code != 503
        if reply is None or (not plays and trick not in _UNTIL_THE_END and not reply.is_streamed):
            assert held(client) == NOTHING_HELD, "before it is read"
        if reply is not None:
            with suppress(RuntimeError):
                assert not plays or reply.get_data() == DATA
            with suppress(RuntimeError):
                reply.close()
        assert held(client) == NOTHING_HELD
    assert client.get(PUBLIC).data == DATA


def request_environ(app: Flask, path: str, trick: str) -> Any:
    with app.test_request_context(path, headers={"X-Trick": trick}) as context:
        return {key: value for key, value in context.request.environ.items() if not key.startswith("werkzeug.")}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("trick", "leaves"),
    [(trick, "closed") for trick in sorted(_PLAYING)]
    + [(trick, "dropped") for trick in sorted(_PLAYING - _KEPT_BY_EXCEPTIONS)],
)
def test_a_body_that_is_never_iterated_holds_nothing_once_it_is_left(trick: str, leaves: str) -> None:
    app = make_app()
    client = app.test_client()
    for _ in range(2):
        body: Any = app(request_environ(app, TRICKS[trick][0], trick), lambda *_: lambda _: None)
        if leaves == "closed" and hasattr(body, "close"):
            with suppress(RuntimeError):
                body.close()
        del body
        assert held(client) == NOTHING_HELD


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("trick", sorted(_PLAYING))
def test_a_body_that_is_left_after_its_first_chunk_holds_nothing(trick: str) -> None:
    client = make_app().test_client()
    for _ in range(2):
        reply = asked(client, TRICKS[trick][0], trick)
        assert reply is not None
        assert DATA.startswith(next(reply.iter_encoded()))
        if trick != "the view aborts with the reply":  # Werkzeug has read the first chunk of it
            assert held(client)["streams"] == 1, "it is on its way"
        with suppress(RuntimeError):
            reply.close()
        assert held(client) == NOTHING_HELD


@pytest.mark.usefixtures("no_collector")
def test_outside_of_a_server_a_reply_that_is_dropped_holds_nothing() -> None:
    app = make_app()
    client = app.test_client()
    with app.test_request_context(OWN):
        assert stream_recording_key(KEY).status_code == 200
        assert stream_recording_key(KEY).status_code == 200, "the first one is gone"
    with app.test_request_context(PUBLIC):
        reply = app.full_dispatch_request()
    assert b"".join(reply.iter_encoded()) == DATA, "a context that is left does not end it"
    reply.close()
    with app.test_request_context(PUBLIC, headers={"X-Trick": "after_request raises"}), pytest.raises(RuntimeError):
        app.full_dispatch_request()
    assert held(client) == NOTHING_HELD


def test_two_registrations_guard_each_request_once() -> None:
    app = make_app()
    guarded = app.wsgi_app
    source = InMemorySource({KEY: DATA})
    calls = InMemoryCallRepository([{"session_id": "s-1", "recording_key": KEY, "recording_access_token": "token"}])
    prefixes: Any = {"admin_url_prefix": "/archive/admin", "public_url_prefix": "/archive/public"}
    second = register(app, dict, calls, require_admin=lambda view: view, name="archive", max_streams=1, **prefixes)
    second.sources = second.sources.replaced([source])
    client = app.test_client()
    for _ in range(2):
        reply = asked(client, "/archive/public/token", "after_request raises")
        assert reply is not None
        assert reply.status_code == 500
        assert second.streams.taken == 0
    assert guarded is not app.wsgi_app, "a middleware of the host is between the two"
    assert client.get("/archive/public/token").data == client.get(PUBLIC).data == DATA


class Served:
    """A gunicorn that serves the unruly host from one process, in which the garbage collector is off."""

    def __init__(self, server: Gunicorn) -> None:
        self.server = server
        self.address = urlsplit(server.url)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(str(self.address.hostname), self.address.port, timeout=30)

    def ask(self, path: str, trick: str, *, stops_after: int | None = None) -> tuple[int, bytes]:
        """Status and body; 0 where the connection was broken off before there was a status."""
        connection = self.connect()
        status, received = 0, b""
        try:
            connection.request("GET", path, headers={"X-Trick": trick})
            reply = connection.getresponse()
            status = reply.status
            received = reply.read(stops_after)
        except http.client.IncompleteRead as exc:
            received = exc.partial
        except (http.client.HTTPException, ConnectionError):
            pass
        finally:
            connection.close()
        return status, received

    def holds_nothing(self) -> bool:
        return self.ask("/held", "")[1] == self.nothing

    nothing = b""


_WORKERS = {
    "sync": ["--worker-class", "sync"],
    "gthread": ["--worker-class", "gthread", "--threads", "4"],
    "gevent": ["--worker-class", "gevent"],
}


@pytest.fixture(scope="module", params=_WORKERS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Each kind of worker in turn."""
    if request.param == "gevent" and importlib.util.find_spec("gevent") is None:
        missing(request, "gevent (extra ci)")
    with gunicorns(tmp_path_factory.mktemp("gunicorn")) as start:
        source = "from tests.web.unruly_host import served_app\napp = served_app()\n"
        served = Served(start(source, *_WORKERS[request.param]))
        served.nothing = served.ask("/held", "")[1]
        assert b'"streams":0' in served.nothing
        yield served


# gunicorn ends the worker where the application exits; what it held ends with it.
@pytest.mark.full
@pytest.mark.parametrize("trick", [trick for trick in TRICKS if trick != "after_request exits"])
def test_under_gunicorn_a_reply_that_does_not_reach_it_holds_nothing(served: Served, trick: str) -> None:
    path, plays = TRICKS[trick]
    for _ in range(2):
        status, received = served.ask(path, trick)
        assert status != 503
        assert not plays or received == DATA
        wait_until(served.holds_nothing, "the end of what the request held", seconds=10)
    assert served.ask(PUBLIC, "") == (200, DATA)
    wait_until(served.holds_nothing, "the end of what was played", seconds=10)  # the next test's request may be quicker


@pytest.mark.full
@pytest.mark.parametrize("trick", sorted(_PLAYING))
def test_under_gunicorn_a_client_that_leaves_frees_the_stream_whatever_is_around_it(served: Served, trick: str) -> None:
    for _ in range(2):
        status, received = served.ask(TRICKS[trick][0], trick, stops_after=10)
        assert (status, received) == (200, DATA[:10])
        wait_until(served.holds_nothing, "the end of what the request held", seconds=10)


@pytest.mark.usefixtures("no_collector")
def test_a_stream_that_is_dropped_closes_itself_and_one_that_was_closed_hands_out_nothing() -> None:
    app = make_app()
    service = app.extensions["cxb_recordings"]
    playback = service.open(KEY, PlaybackRequest())
    assert service.streams.taken == 1
    del playback
    assert service.streams.taken == 0
    stream = service.open(KEY, PlaybackRequest()).stream
    stream.close()
    with pytest.raises(StreamBroken):
        next(iter(stream))
    assert held(app.test_client()) == NOTHING_HELD
