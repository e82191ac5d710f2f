"""A host whose own parts fail, or drop what the library returned, as a request's ``X-Trick`` says: one, or ``a|b``.

It plays one recording out of memory, to one listener at a time, and ``/held`` tells what is held at the moment.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import (
    Flask,
    Response,
    abort,
    got_request_exception,
    jsonify,
    request,
    request_finished,
    request_tearing_down,
    stream_with_context,
)
from flask.sessions import SecureCookieSessionInterface
from prometheus_client import CollectorRegistry

from cxb_recordings import InMemoryCallRepository, register, signals, stream_recording_key
from cxb_recordings.metrics import RecordingMetrics
from cxb_recordings.testing import InMemorySource

KEY = "call.wav"
DATA = bytes(range(256)) * 800
PUBLIC, ADMIN, OWN = "/api/v1/public/recordings/token", "/api/v1/recordings/s-1", "/own"
NOTHING_HELD = {"streams": 0, "heads": 0, "bodies": 0, "in_progress": 0}


def tricks() -> list[str]:
    """What the current request wants to go wrong; nothing outside of one."""
    return request.headers.get("X-Trick", "").split("|") if request else []


def fail(*_: object, **__: object) -> Any:
    raise RuntimeError("by the test")


def fail_if(name: str) -> Callable[..., None]:
    """A hook that fails in requests of that trick."""

    def hook(*_: object, **__: object) -> None:
        if name in tricks():
            fail()

    return hook


def copied(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A generator, as hooks that count or compress put around a body; it closes nothing."""
    yield from chunks


def slammed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A generator whose end raises."""
    try:
        yield from chunks
    finally:
        fail()


class Slammed:
    """A body whose closing raises."""

    def __init__(self, body: Iterable[bytes]) -> None:
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        fail()


def after(response: Response) -> Response:
    """What an ``after_request`` of the host does to a reply, trick after trick."""
    for name in tricks():
        if name == "after_request returns nothing":
            return None  # type: ignore[return-value]
        made = changed(name, response)
        response = made if isinstance(made, Response) else response
    return response


def changed(name: str, response: Response) -> Any:
    """What one trick does to a reply; another reply, where it is returned."""
    body: Any = response.response
    hooks: dict[str, Callable[[], Any]] = {
        "after_request raises": fail,
        "after_request raises, and the host's page is 200": fail,
        "after_request exits": sys.exit,
        "after_request aborts": lambda: abort(403),
        "after_request reads the body": response.get_data,
        "after_request writes a bad header": lambda: response.headers.add("X-Bad", "a\r\nb"),
        "after_request returns another reply": lambda: Response("another"),
        "after_request returns a page of failure": lambda: Response("another", 500),
        "after_request makes it a 304": lambda: setattr(response, "status_code", 304),
        "after_request makes it a 204": lambda: setattr(response, "status_code", 204),
        "after_request empties it": lambda: response.set_data(b""),
        "after_request closes it": response.close,
        "call_on_close raises": lambda: response.call_on_close(fail),
        "a wrapper in the reply": lambda: setattr(response, "response", copied(body)),
        "a wrapper whose end raises": lambda: setattr(response, "response", slammed(body)),
        "a wrapper whose close raises": lambda: setattr(response, "response", Slammed(body)),
        "a wrapper in another reply": lambda: Response(copied(body), response.status, response.headers),
        "a context around it": lambda: setattr(response, "response", stream_with_context(body)),
        "no direct passthrough": lambda: setattr(response, "direct_passthrough", False),
        "iterated": lambda: setattr(response, "response", iter(body)),
    }
    return hooks.get(name, lambda: None)()


def own_view() -> Any:
    """A view of the host's own that answers with a recording, or would."""
    if "the view asks twice" in tricks():
        stream_recording_key(KEY)
    reply = stream_recording_key(KEY)
    views: dict[str, Callable[[], Any]] = {
        "the view raises": fail,
        "the view aborts": lambda: abort(403),
        "the view aborts with the reply": lambda: abort(reply),
        "the view returns something else": lambda: "something else",
        "the view returns nothing": lambda: None,
        "the view makes it conditional": lambda: reply.make_conditional(request, True, len(DATA)),
    }
    return next((views[name] for name in tricks() if name in views), lambda: reply)()


def guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    """A ``require_admin`` that lets everybody listen, and then may change its mind."""

    def decorated(**arguments: Any) -> Any:
        reply = view(**arguments)
        if "require_admin raises" in tricks():
            fail()
        return ("refused", 403) if "require_admin drops the reply" in tricks() else reply

    return decorated


class Sessions(SecureCookieSessionInterface):
    """A session store that may be down."""

    def save_session(self, *_: Any) -> None:
        fail_if("the session store is down")()


class Outside:
    """A WSGI middleware of the host's, around everything."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        names = environ.get("HTTP_X_TRICK", "").split("|")
        if "start_response raises" in names:
            return self.app(environ, fail)
        if "a middleware drops the reply" in names:
            self.app(environ, lambda *_: None)
            start_response("403 Forbidden", [("Content-Length", "0")])
            return []
        body = self.app(environ, start_response)
        if "a middleware raises" in names:
            raise RuntimeError("by the test")
        return copied(body) if "a middleware wraps the reply" in names else body


class Lazy:
    """A WSGI middleware of the host's, before ``register``, under which the app runs when its reply is iterated."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        is_lazy = "lazy" in environ.get("HTTP_X_TRICK", "")
        return self.later(environ, start_response) if is_lazy else self.app(environ, start_response)

    def later(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        body = self.app(environ, start_response)
        if "lazy, and it raises" in environ["HTTP_X_TRICK"]:
            raise RuntimeError("by the test")
        yield from body


# Where the trick is played, and whether the recording is still played, byte for byte.
TRICKS: dict[str, tuple[str, bool]] = {
    "none": (PUBLIC, True),
    "after_request raises": (PUBLIC, False),
    "after_request raises, and the host's page is 200": (PUBLIC, False),
    "after_request aborts": (PUBLIC, False),
    "after_request exits": (PUBLIC, False),
    "after_request reads the body": (PUBLIC, False),
    "after_request writes a bad header": (PUBLIC, False),
    "after_request returns nothing": (PUBLIC, False),
    "after_request returns another reply": (PUBLIC, False),
    "after_request returns a page of failure": (PUBLIC, False),
    "after_request makes it a 304": (PUBLIC, False),
    "after_request makes it a 204": (PUBLIC, False),
    "after_request empties it": (PUBLIC, False),
    "after_request closes it": (PUBLIC, False),
    "a teardown_request raises": (PUBLIC, False),
    "a teardown_appcontext raises": (PUBLIC, False),
    "request_finished raises": (PUBLIC, False),
    "request_tearing_down raises": (PUBLIC, False),
    "got_request_exception raises": (PUBLIC, False),
    "the session store is down": (PUBLIC, False),
    "call_on_close raises": (PUBLIC, True),
    "recording_started raises": (PUBLIC, True),
    "request_answered raises": (PUBLIC, True),
    "recording_served raises": (PUBLIC, True),
    "a wrapper in the reply": (PUBLIC, True),
    "a wrapper whose end raises": (PUBLIC, False),
    "a wrapper whose close raises": (PUBLIC, True),
    "a wrapper in another reply": (PUBLIC, True),
    "a context around it": (PUBLIC, True),
    "no direct passthrough": (PUBLIC, True),
    "iterated": (PUBLIC, True),
    "the view raises": (OWN, False),
    "the view aborts": (OWN, False),
    "the view aborts with the reply": (OWN, True),
    "the view returns something else": (OWN, False),
    "the view returns nothing": (OWN, False),
    "the view asks twice": (OWN, True),
    "the view makes it conditional": (OWN, True),
    "require_admin raises": (ADMIN, False),
    "require_admin drops the reply": (ADMIN, False),
    "start_response raises": (PUBLIC, False),
    "a middleware drops the reply": (PUBLIC, False),
    "a middleware raises": (PUBLIC, False),
    "a middleware wraps the reply": (PUBLIC, True),
    "lazy": (PUBLIC, True),
    "lazy, and it raises": (PUBLIC, False),
}
RAISE_WHEN_DROPPED = ("a wrapper whose end raises", "a wrapper whose close raises", "call_on_close raises")


def make_app() -> Flask:
    """The host. The garbage collector is off where it is served: what is freed must not wait for it."""
    app = Flask("unruly")
    app.secret_key = "for these tests only"
    app.session_interface = Sessions()
    app.wsgi_app = Lazy(app.wsgi_app)  # type: ignore[method-assign]
    calls = InMemoryCallRepository([{"session_id": "s-1", "recording_key": KEY, "recording_access_token": "token"}])
    service = register(app, dict, calls, require_admin=guarded, max_streams=1)
    app.wsgi_app = Outside(app.wsgi_app)  # type: ignore[method-assign]
    source = InMemorySource({KEY: DATA})
    service.sources = service.sources.replaced([source])
    registry = CollectorRegistry()
    RecordingMetrics(registry).watch(service)
    app.add_url_rule(OWN, "own", own_view)
    app.after_request(after)
    app.teardown_request(fail_if("a teardown_request raises"))
    app.teardown_appcontext(fail_if("a teardown_appcontext raises"))
    app.register_error_handler(
        RuntimeError,
        lambda _: ("sorry", 200 if "after_request raises, and the host's page is 200" in tricks() else 500),
    )
    for sender, signal, name in (
        (app, request_finished, "request_finished raises"),
        (app, request_tearing_down, "request_tearing_down raises"),
        (service, signals.recording_started, "recording_started raises"),
        (service, signals.recording_served, "recording_served raises"),
        (service, signals.request_answered, "request_answered raises"),
    ):
        signal.connect(fail_if(name), sender, weak=False)
    # It is sent where something else has failed.
    request_finished.connect(fail_if("got_request_exception raises"), app, weak=False)
    got_request_exception.connect(fail_if("got_request_exception raises"), app, weak=False)

    @app.get("/held")
    def held() -> Response:
        gauge = registry.get_sample_value("cxb_recordings_streams_in_progress", {"registration": "cxb_recordings"})
        source.bodies[:] = [body for body in source.bodies if not body.closed]
        return jsonify(
            streams=service.streams.taken,
            heads=service.heads.taken,
            bodies=len(source.bodies),
            in_progress=int(gauge or 0),
        )

    return app


def served_app() -> Flask:
    """The host for a server of its own process."""
    gc.disable()
    return make_app()
