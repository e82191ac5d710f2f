"""Public addresses with a proxy that does something to the application's replies, for ``doctor --url``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.middleware.proxy_fix import ProxyFix

from tests.servers import free_port
from tests.servers.conversation import Received
from tests.servers.replies import reply
from tests.servers.tls import make_certificate, server_context

from .deployments import HTML, PAGE, Make
from .stage import TOKEN, Case, Stage

Change = Callable[[int, Headers], bytes]
Asks = Callable[[dict[str, str]], dict[str, str]]

HTTPS_LINK = {"Location": f"https://calls.example.com/{TOKEN}"}
LINK = ("doctor", "--token", TOKEN, "--url")


Setup = Callable[[Flask], object]


def _nothing(_: Flask) -> None:
    """Leave the application as it is."""


def behind_proxy(app: Flask) -> None:
    """What docs/behind-a-proxy.md has."""
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1, x_host=1)  # type: ignore[method-assign]


def _as_it_is(status: int, headers: Headers, body: bytes = b"") -> bytes:
    return reply(status, dict(headers), body)


def proxied(
    change: Change = _as_it_is, *, asks: Asks = dict, is_secure: bool = False, setup: Setup = _nothing, **options: Any
) -> Make:
    """A doctor's case: the public address is a proxy in front of the application.

    Args:
        change: makes what it sends of status and headers of the application's reply.
        asks: makes the headers that it passes on of the client's.
        is_secure: whether it has a certificate, which this machine trusts.
        setup: called with the application.
        options: of ``register``.
    """

    def make(stage: Stage) -> Case:
        apps: list[Flask] = []

        def answer(received: Received) -> bytes:
            with apps[0].test_client() as client:
                response = client.get(received.target, headers=asks(dict(received.headers.items())))
                response.close()
            return change(response.status_code, response.headers)

        tls = None
        if is_secure:
            certificate = make_certificate(stage.fixture("tmp_path") / "public.pem")
            stage.fixture("monkeypatch").setenv("SSL_CERT_FILE", str(certificate))
            tls = server_context(certificate)
        url = stage.server(answer, "calls.example.com", tls).url

        def begin(app: Flask) -> None:
            setup(app)
            apps.append(app)

        return Case({"minio": stage.store()}, (*LINK, url), options=options, setup=begin)

    return make


def without(*names: str) -> Change:
    """A proxy that drops headers."""
    return lambda status, headers: _as_it_is(status, Headers([each for each in headers if each[0] not in names]))


def adding(**headers: str) -> Change:
    """A proxy that adds headers, with hyphens for underscores."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda status, sent: _as_it_is(status, Headers([*sent, *more.items()]))


def filling_a_cache() -> Change:
    """A proxy that has the reply from the second request on."""
    asked = iter(["MISS", *["HIT"] * 9])
    return lambda status, sent: adding(X_Cache=next(asked))(status, sent)


def sending(status: int, headers: dict[str, str] | None = None) -> Change:
    """A proxy that answers by itself."""
    return lambda *_: reply(status, HTML | (headers or {}), PAGE)


def drops_range(sent: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in sent.items() if name != "Range"}


def without_nginx(stage: Stage) -> Case:
    return proxied(offload="/_protected/")(stage)


def untrusted(stage: Stage) -> Case:
    certificate = make_certificate(stage.fixture("tmp_path") / "public.pem")
    url = stage.server(lambda _: reply(200), "calls.example.com", server_context(certificate)).url
    return Case({"minio": stage.store()}, (*LINK, url))


def nobody(stage: Stage) -> Case:
    port = free_port()
    stage.shown[f"127.0.0.1:{port}"] = "calls.example.com"
    return Case({"minio": stage.store()}, (*LINK, f"http://127.0.0.1:{port}"))
