"""Which request gets which answer, beside what the reference model decides, on every kind of source."""

from __future__ import annotations

import pytest

from .site import KEY, Route, Upstream, admin_headers

DATA = bytes(range(256)) * 40  # 10,240 bytes: more than one chunk


@pytest.fixture
def stored(upstream: Upstream) -> Upstream:
    """A site on each kind of source in turn, which has DATA under KEY."""
    upstream.store(DATA)
    return upstream


@pytest.mark.parametrize("wanted", ["bytes=a-b", "bytes=5-4", "items=0-1", "bytes=0-1,5-6", ""])
def test_a_range_that_is_ignored_does_not_go_to_the_source(stored: Upstream, wanted: str) -> None:
    reply = stored.ask(headers={"Range": wanted})

    assert (reply.status_code, reply.data) == (200, DATA)
    assert [sent.headers["Range"] for sent in stored.requests] == [None]


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=5-9"}, {"Range": "bytes=99999-"}, {"Range": "bytes=-0"}])
def test_head_is_answered_as_the_whole_get_without_a_body(
    stored: Upstream, route: Route, headers: dict[str, str]
) -> None:
    whole = stored.ask(route=route)
    reply = stored.ask("HEAD", headers, route=route)

    assert (reply.status_code, reply.data) == (200, b"")
    assert reply.headers["Content-Length"] == "10240"
    assert dict(reply.headers) == dict(whole.headers)


def test_head_opens_no_body_upstream(stored: Upstream) -> None:
    stored.ask("HEAD")

    assert [sent.method for sent in stored.requests] == ["HEAD"]


CONDITIONS = [{"If-Match": '"x"'}, {"If-None-Match": "*"}, {"If-Modified-Since": "Wed, 01 May 2999 10:00:00 GMT"}]


@pytest.mark.parametrize("conditions", [*CONDITIONS, {"Range": "bytes=99999-"}, {"Range": "bytes=-0"}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_401_403_and_404_win_over_every_precondition(stored: Upstream, conditions: dict[str, str], method: str) -> None:
    def admin(headers: dict[str, str]) -> int:
        return stored.client.open(stored.path(KEY, "admin"), method=method, headers=headers | conditions).status_code

    assert admin({}) == 401
    assert admin({"Authorization": "Bearer junk"}) == 401
    assert admin(admin_headers(stored.app, role="user")) == 403
    assert stored.ask(method, conditions, key="absent.wav").status_code == 404
    assert stored.ask(method, conditions, key="absent.wav", route="admin").status_code == 404
    assert stored.client.open("/api/v1/public/recordings/unknown", method=method, headers=conditions).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_flasks_405_with_allow(stored: Upstream, route: Route, method: str) -> None:
    reply = stored.ask(method, route=route)

    assert reply.status_code == 405
    assert set(reply.allow or ()) == {"GET", "HEAD", "OPTIONS"}
    assert stored.requests == []


def test_options_is_answered_as_flask_does(stored: Upstream, route: Route) -> None:
    reply = stored.ask("OPTIONS", route=route)

    assert reply.status_code == 200
    assert set(reply.allow or ()) == {"GET", "HEAD", "OPTIONS"}
    assert stored.requests == []
