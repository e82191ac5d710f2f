"""Which request gets which answer: the table of requests, on every kind of source."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from werkzeug.test import TestResponse

from .site import KEY, Route, Upstream, admin_headers

DATA = bytes(range(256)) * 40  # 10,240 bytes: more than one chunk


@pytest.fixture
def stored(upstream: Upstream) -> Upstream:
    """A site on each kind of source in turn, which has DATA under KEY."""
    upstream.store(DATA)
    return upstream


def assert_short_problem(reply: TestResponse, status: int) -> None:
    assert reply.status_code == status
    assert reply.content_type == "application/problem+json"
    assert reply.json is not None
    assert reply.json["status"] == status
    assert len(reply.data) < 200


def shifted(date: str, hours: int) -> str:
    return format_datetime(parsedate_to_datetime(date) + timedelta(hours=hours), usegmt=True)


def test_get_is_answered_200_with_the_whole_file(stored: Upstream, route: Route) -> None:
    reply = stored.ask(route=route)

    assert (reply.status_code, reply.data) == (200, DATA)
    assert "Content-Range" not in reply.headers


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=9000-", 9000, 10240),
        ("bytes=10239-", 10239, 10240),
        ("bytes=-1", 10239, 10240),
        ("bytes=-9000", 1240, 10240),
        ("bytes=0-", 0, 10240),
        pytest.param("bytes=10000-10240", 10000, 10240, id="last position clamped by one"),
        pytest.param("bytes=10000-99999", 10000, 10240, id="last position clamped"),
        pytest.param("bytes=-10241", 0, 10240, id="suffix longer than the file"),
        pytest.param("BYTES= 5-9 ,", 5, 10, id="unit in capitals, spaces and an empty element"),
    ],
)
def test_one_range_is_answered_206_with_just_these_bytes(stored: Upstream, wanted: str, start: int, stop: int) -> None:
    reply = stored.ask(headers={"Range": wanted})

    assert (reply.status_code, reply.data) == (206, DATA[start:stop])
    assert reply.headers["Content-Range"] == f"bytes {start}-{stop - 1}/10240"
    assert reply.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize("wanted", ["bytes=10240-", "bytes=10240-10250", "bytes=99999-", "bytes=-0"])
def test_a_range_that_begins_after_the_end_is_416_with_the_total(stored: Upstream, route: Route, wanted: str) -> None:
    reply = stored.ask(headers={"Range": wanted}, route=route)

    assert_short_problem(reply, 416)
    assert reply.headers["Content-Range"] == "bytes */10240"


@pytest.mark.parametrize(
    "wanted",
    [
        f"bytes={2**63 + 1}-{2**63}",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=",
        "bytes=-",
        "bytes",
        "items=0-1",
        "bytes=0-1,5-6",
        "bytes=-1,-2",
        "0-1",
        "",
    ],
)
def test_a_malformed_range_an_unknown_unit_and_several_ranges_are_ignored(stored: Upstream, wanted: str) -> None:
    reply = stored.ask(headers={"Range": wanted})

    assert (reply.status_code, reply.data) == (200, DATA)
    assert [sent.headers["Range"] for sent in stored.requests] == [None]


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        pytest.param("bytes=0-" + "9" * 5000, 206, id="last"),
        pytest.param("bytes=-" + "9" * 5000, 206, id="suffix"),
        pytest.param("bytes=" + "9" * 5000 + "-", 416, id="first"),
        pytest.param("bytes=" + "0" * 5000 + "-", 206, id="zeros"),
    ],
)
def test_digits_beyond_any_integer_are_clamped(stored: Upstream, wanted: str, status: int) -> None:
    reply = stored.ask(headers={"Range": wanted})

    assert reply.status_code == status
    assert reply.data == DATA or status == 416
    for sent in stored.requests:
        assert len(sent.headers["Range"] or "") < 50


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=5-9"}, {"Range": "bytes=99999-"}, {"Range": "bytes=-0"}])
def test_head_is_answered_as_the_whole_get_without_a_body(
    stored: Upstream, route: Route, headers: dict[str, str]
) -> None:
    whole = stored.ask(route=route)
    reply = stored.ask("HEAD", headers, route=route)

    assert (reply.status_code, reply.data) == (200, b"")
    assert reply.headers["Content-Length"] == "10240"
    assert dict(reply.headers) == dict(whole.headers)


def test_head_counts_preconditions_but_not_if_range(stored: Upstream) -> None:
    tag, date = (stored.ask("HEAD").headers[name] for name in ("ETag", "Last-Modified"))

    for headers, status in [
        ({"If-None-Match": tag}, 304),
        ({"If-Modified-Since": date}, 304),
        ({"If-Match": '"other"'}, 412),
        ({"If-Unmodified-Since": shifted(date, -1)}, 412),
        ({"If-Range": '"other"', "Range": "bytes=0-1"}, 200),
        ({"If-Range": tag, "Range": "bytes=0-1"}, 200),
        ({"If-None-Match": tag, "Range": "bytes=99999-"}, 304),
    ]:
        reply = stored.ask("HEAD", headers)
        assert (reply.status_code, reply.data) == (status, b""), headers


def test_head_opens_no_body_upstream(stored: Upstream) -> None:
    stored.ask("HEAD")

    assert [sent.method for sent in stored.requests] == ["HEAD"]


@pytest.mark.parametrize("fault", ["no HEAD", "HEAD is 501", "length only in ranges"])
def test_a_fleet_host_without_head_is_asked_for_its_first_byte(fleet: Upstream, fault: str) -> None:
    fleet.store(DATA)
    fleet.source.fault = fault  # type: ignore[union-attr]

    reply = fleet.ask("HEAD")

    assert (reply.status_code, reply.data, reply.headers["Content-Length"]) == (200, b"", "10240")
    assert [(sent.method, sent.headers["Range"]) for sent in fleet.requests] == [("HEAD", None), ("GET", "bytes=0-0")]


@pytest.mark.parametrize(
    ("wanted", "status"), [(None, 200), ("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-5", 200), ("bytes=-0", 416)]
)
def test_a_file_of_0_bytes(upstream: Upstream, wanted: str | None, status: int) -> None:
    upstream.store(b"", "empty.wav")

    reply = upstream.ask(headers={"Range": wanted} if wanted else {}, key="empty.wav")

    assert reply.status_code == status
    if status == 200:
        assert (reply.data, reply.headers["Content-Length"]) == (b"", "0")
    else:
        assert reply.headers["Content-Range"] == "bytes */0"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("wanted", [{}, {"Range": "bytes=0-4"}, {"Range": "bytes=99999-"}])
def test_a_failing_if_match_or_if_unmodified_since_is_412(
    stored: Upstream, route: Route, method: str, wanted: dict[str, str]
) -> None:
    date = stored.ask("HEAD").headers["Last-Modified"]

    for failing in ({"If-Match": '"other"'}, {"If-Unmodified-Since": shifted(date, -1)}):
        reply = stored.ask(method, failing | wanted, route=route)
        if method == "GET":
            assert_short_problem(reply, 412)
        else:
            assert (reply.status_code, reply.data) == (412, b"")
        assert "Content-Range" not in reply.headers


def test_if_match_and_if_unmodified_since_that_hold_change_nothing(stored: Upstream) -> None:
    tag, date = (stored.ask("HEAD").headers[name] for name in ("ETag", "Last-Modified"))

    for holding in (
        {"If-Match": tag},
        {"If-Match": f'"other", {tag}'},
        {"If-Match": "*"},
        {"If-Unmodified-Since": date},
        {"If-Unmodified-Since": "junk"},
        {"If-Match": tag, "If-Unmodified-Since": shifted(date, -1)},
    ):
        assert stored.ask(headers=holding).data == DATA, holding
        ranged = stored.ask(headers=holding | {"Range": "bytes=0-4"})
        assert (ranged.status_code, ranged.data) == (206, DATA[:5]), holding


def test_if_none_match_that_hits_is_304_also_with_a_range(stored: Upstream, route: Route) -> None:
    tag = stored.ask("HEAD").headers["ETag"]

    for value in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        for wanted in ({}, {"Range": "bytes=0-4"}, {"Range": "bytes=99999-"}):
            reply = stored.ask(headers={"If-None-Match": value, **wanted}, route=route)
            assert (reply.status_code, reply.data) == (304, b""), (value, wanted)
            assert reply.headers["ETag"] == tag
            assert reply.headers["Cache-Control"] == "private, no-cache"


def test_if_modified_since_decides_only_without_if_none_match(stored: Upstream) -> None:
    date = stored.ask("HEAD").headers["Last-Modified"]

    for headers, status in [
        ({"If-Modified-Since": date}, 304),
        ({"If-Modified-Since": shifted(date, 1)}, 304),
        ({"If-Modified-Since": shifted(date, -1)}, 200),
        ({"If-Modified-Since": "junk"}, 200),
        ({"If-Modified-Since": date, "If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": date, "Range": "bytes=0-4"}, 304),
        ({"If-Modified-Since": shifted(date, -1), "Range": "bytes=0-4"}, 206),
    ]:
        assert stored.ask(headers=headers).status_code == status, headers


def test_if_range_that_holds_is_206_and_one_that_fails_is_200(stored: Upstream) -> None:
    tag, date = (stored.ask("HEAD").headers[name] for name in ("ETag", "Last-Modified"))

    for value, holds in [
        (tag, True),
        (date, True),
        (f"W/{tag}", False),
        ('"other"', False),
        (shifted(date, 1), False),
        (shifted(date, -1), False),
        ("junk", False),
        ("*", False),
    ]:
        reply = stored.ask(headers={"Range": "bytes=5-9", "If-Range": value})
        expected = (206, DATA[5:10]) if holds else (200, DATA)
        assert (reply.status_code, reply.data) == expected, value
        beyond = stored.ask(headers={"Range": "bytes=99999-", "If-Range": value})
        assert beyond.status_code == (416 if holds else 200), value
        assert stored.ask(headers={"If-Range": value}).data == DATA, "without a range it is ignored"


def test_a_weak_tag_never_holds_for_if_range(fleet: Upstream) -> None:
    fleet.store(DATA)
    fleet.source.validator = "weak"  # type: ignore[union-attr]
    tag = fleet.ask("HEAD").headers["ETag"]
    assert tag.startswith('W/"')

    for value in (tag, tag.removeprefix("W/")):
        assert fleet.ask(headers={"Range": "bytes=5-9", "If-Range": value}).status_code == 200
    assert fleet.ask(headers={"If-None-Match": tag}).status_code == 304
    assert fleet.ask(headers={"If-Match": tag}).status_code == 412


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
