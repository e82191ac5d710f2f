"""``doctor --url``: what it asks, whom it asks, and where it finds nothing wrong."""

from __future__ import annotations

import socket

import pytest
from flask import Flask, redirect, request

from cxb_recordings.operations import public
from tests.servers.origin import OriginFactory
from tests.servers.replies import reply

from .proxies import adding, behind_proxy, proxied
from .stage import TOKEN, Case, Stage, stage

__all__ = ["stage"]  # fixture


def test_behind_a_proxy_that_passes_everything_on_nothing_is_wrong(stage: Stage) -> None:
    printed = stage.run(proxied(is_secure=True, setup=behind_proxy)(stage))

    assert "CXB061 public reply: status 206, as the application itself answers" in printed
    assert printed.endswith("ok, nothing is wrong\n")


def test_with_offload_the_whole_reply_is_compared_with_what_python_sends(stage: Stage) -> None:
    case = proxied(asks=lambda sent: sent | {"X-Recording-Offload": "refused"}, offload="/_protected/")(stage)

    assert "CXB061 public reply: status 206, as the application itself answers" in stage.run(case)


@pytest.mark.full
@pytest.mark.parametrize(
    "headers", [{"Age": "0"}, {"X_Cache": "MISS from edge-1"}, {"Cache_Status": "edge; fwd=uri-miss"}]
)
def test_a_cache_that_keeps_nothing_is_no_fault(stage: Stage, headers: dict[str, str]) -> None:
    assert "public reply: status 206, as the application itself answers" in stage.run(proxied(adding(**headers))(stage))


def test_an_application_that_wants_https_is_asked_as_the_proxy_asks_it(stage: Stage) -> None:
    def force_https(app: Flask) -> None:
        behind_proxy(app)
        app.before_request(lambda: None if request.is_secure else redirect("https://calls.example.com"))

    def asks(sent: dict[str, str]) -> dict[str, str]:
        return sent | {"X-Forwarded-Proto": "https"}

    printed = stage.run(proxied(asks=asks, is_secure=True, setup=force_https)(stage))

    assert "public reply: status 206, as the application itself answers" in printed


def test_without_a_token_an_unknown_one_is_asked_for(stage: Stage) -> None:
    case = proxied()(stage)
    arguments = ("doctor", "--url", case.arguments[-1])

    printed = stage.run(Case(case.settings, arguments, setup=case.setup))

    assert "CXB061 public reply: status 404, as the application itself answers" in printed


def test_a_link_that_the_application_does_not_know_is_said_so(stage: Stage) -> None:
    case = proxied()(stage)
    case = Case(case.settings, ("doctor", "--token", "-", *case.arguments[3:]), stdin="unknown\n", setup=case.setup)

    first, remedy, *_ = stage.run(case).splitlines()

    assert first.endswith("status 404: the application itself finds no such recording")
    assert "trace --token -" in remedy


def test_the_token_is_sent_to_that_address_only(stage: Stage, make_origin: OriginFactory) -> None:
    other = make_origin()
    address = make_origin(answer=lambda _: reply(307, {"Location": f"{other.url}/{TOKEN}"}))

    printed = stage.run(Case({}, ("doctor", "--url", address.url, "--token", f"{address.url}/x{TOKEN}")))
    printed += stage.run(Case({}, ("doctor", "--url", address.url, "--token", TOKEN)))

    assert TOKEN not in printed
    assert [TOKEN in received.target for received in address.requests] == [True]
    assert other.requests == []


@pytest.mark.full
def test_a_head_that_does_not_come_to_its_end_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(public, "STEP_SECONDS", 60)  # as where a byte comes in time, again and again
    with socket.create_server(("127.0.0.1", 0)) as silent:
        printed = stage.run(Case({}, ("doctor", "--url", f"http://127.0.0.1:{silent.getsockname()[1]}")))

    assert "CXB060 public address: http://127.0.0.1" in printed
    assert "no whole head within 0.5 s" in printed


@pytest.mark.parametrize("url", ["calls.example.com", "ftp://x", "https://user:pw@x", "https://x/?a=\x1b[31m", ""])
def test_what_is_no_address_is_told_without_it(stage: Stage, url: str) -> None:
    printed = stage.run(Case({}, ("doctor", "--url", url)))

    assert "CXB060 public address: --url: a " in printed
    assert "pw" not in printed
    assert "\x1b" not in printed


def test_a_token_without_an_address_is_a_mistake(stage: Stage) -> None:
    assert "--token: it is asked for through --url" in stage.run(Case({}, ("doctor", "--token", TOKEN)))
