"""For any file, range and conditions the answer is that of the reference model, whatever the source can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from cxb_recordings import InMemoryCallRepository
from cxb_recordings.errors import NotModified, RangeNotSatisfiable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.source import ContentInfo, OpenedRecording
from cxb_recordings.service import RecordingService
from cxb_recordings.testing import InMemoryBody
from cxb_recordings.web.views import public_blueprint

from .reference import Answer, File, answer
from .site import Upstream

NOON = 1714564800  # Wed, 01 May 2024 12:00:00 GMT
TAGS = ['"a"', '"b"', 'W/"a"', 'W/"b"', '"a,b"', '"W/"', '"*"', '"é"'.encode().decode("latin-1")]
DATES = [formatdate(NOON + offset, usegmt=True) for offset in (-86400, -1, 0, 1, 86400)]
OLD_DATES = ["Wednesday, 01-May-24 12:00:00 GMT", "Wed May  1 12:00:00 2024"]
NO_DATES = ["", "junk", "0", "-1", "Wed, 99 May 2024 12:00:00 GMT"]

positions = st.integers(0, 40) | st.integers(0, 10**25) | st.just(2**63)
ranges = (
    st.builds("bytes={}-{}".format, positions, positions)
    | st.builds("bytes={}-".format, positions)
    | st.builds("bytes=-{}".format, positions)
    | st.builds("bytes={}".format, st.text("0123456789-, \t", max_size=8))
    | st.builds("bytes={}-{}, {}-".format, positions, positions, positions)
    | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=12).map(str.strip)
    | st.sampled_from(["items=0-1", "BYTES=1-2", "bytes=0-" + "9" * 5000, "bytes=" + "9" * 5000 + "-", "bytes =0-1"])
)
tag_lists = (
    st.sampled_from(['"a"', '"b"', "*"])
    | st.lists(st.sampled_from(TAGS), max_size=3).map(", ".join)
    | st.just(' ,"b",, "a" ,')
)
dates = st.sampled_from(DATES + OLD_DATES + NO_DATES)
headers = st.fixed_dictionaries(
    {},
    optional={
        "Range": ranges,
        "If-Range": st.sampled_from(TAGS + DATES + OLD_DATES + NO_DATES),
        "If-Match": tag_lists,
        "If-None-Match": tag_lists,
        "If-Modified-Since": dates,
        "If-Unmodified-Since": dates,
    },
)
lengths = st.integers(0, 40)
methods = st.sampled_from(["GET", "GET", "GET", "HEAD"])
etags = st.sampled_from(['"a"', '"a"', 'W/"a"', '"a,b"', None])
modified = st.sampled_from([NOON, None])


@dataclass(frozen=True, slots=True)
class Source:
    """A source in memory with one of the abilities that real ones have or lack.

    Attributes:
        ignores_range: it sends the whole file to a ranged request.
        tells_416: whether it sends the total with its 416.
        tells_304: whether it answers 304 by itself.
    """

    file: File
    ignores_range: bool
    tells_416: bool
    tells_304: bool
    name: str = "source"
    bodies: list[InMemoryBody] = field(default_factory=list)

    def describe(self, key: str) -> ContentInfo:
        assert all(body.closed for body in self.bodies), "one connection for a request, also where it asks twice"
        etag, modified = self.file.etag, self.file.modified
        return ContentInfo(
            len(self.file.data),
            etag.removeprefix("W/").strip('"') if etag else None,
            etag_is_weak=bool(etag and etag.startswith("W/")),
            last_modified=None if modified is None else datetime.fromtimestamp(modified, timezone.utc),
        )

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        info, data = self.describe(key), self.file.data
        if self.tells_304 and unless_etag is not None and unless_etag == info.etag:
            raise NotModified(replace(info, length=None))
        span = wanted.resolve(len(data)) if wanted and not self.ignores_range else None
        if wanted and span is None and not self.ignores_range:
            raise RangeNotSatisfiable(len(data) if self.tells_416 else None)
        self.bodies.append(InMemoryBody(data[span.start : span.stop] if span else data))
        return OpenedRecording(info, span, self.bodies[-1], self)


@pytest.fixture(scope="module")
def in_memory() -> tuple[RecordingService, Any]:
    """A service whose source each example sets, and a client of the public route above it."""
    app, service = Flask("host"), RecordingService(dict)
    app.testing = True
    calls = InMemoryCallRepository([{"session_id": "s", "recording_key": "a.wav", "recording_access_token": "token"}])
    app.register_blueprint(public_blueprint("recordings", "/public", service, calls))
    return service, app.test_client()


def assert_answers(reply: TestResponse, expected: Answer, file: File, method: str) -> None:
    assert reply.status_code == expected.status
    assert reply.headers.get("Content-Range") == expected.content_range
    if expected.status in (200, 206):
        assert reply.data == expected.body
        assert reply.headers["Content-Length"] == str(len(file.data) if method == "HEAD" else len(expected.body))
        assert reply.headers["Accept-Ranges"] == "bytes"
    if expected.status in (200, 206, 304):
        assert reply.headers.get("ETag") == file.etag
    elif method == "GET":
        assert reply.json is not None


@settings(max_examples=10 * settings().max_examples, deadline=None)
@given(lengths, etags, modified, methods, headers, st.booleans(), st.booleans(), st.booleans())
@example(0, '"a"', NOON, "GET", {"Range": "bytes=-5"}, False, False, False)
@example(0, None, None, "GET", {"Range": "bytes=-0"}, True, True, True)
@example(9, '"a"', NOON, "GET", {"Range": "bytes=99-", "If-Range": 'W/"a"'}, False, True, True)
@example(9, '"a"', NOON, "GET", {"If-Match": '"b"', "If-None-Match": '"a"'}, False, True, True)
@example(9, '"a"', NOON, "GET", {"If-Unmodified-Since": DATES[0], "If-None-Match": '"a"'}, False, True, True)
@example(9, '"a"', NOON, "GET", {"Range": "bytes=1-2", "If-Range": OLD_DATES[0]}, False, True, True)
@example(9, None, None, "GET", {"Range": f"bytes={2**63 + 1}-{2**63}"}, False, True, True)
def test_the_answer_is_that_of_the_reference_model_whatever_a_source_can_do(
    in_memory: tuple[RecordingService, Any],
    length: int,
    etag: str | None,
    modified: int | None,
    method: str,
    headers: dict[str, str],
    ignores_range: bool,
    tells_416: bool,
    tells_304: bool,
) -> None:
    service, client = in_memory
    file = File(bytes(range(length)), etag, modified)
    source = Source(file, ignores_range, tells_416, tells_304)
    service.sources = service.sources.replaced([source])

    with client.open("/public/token", method=method, headers=headers) as reply:
        assert_answers(reply, answer(file, method, headers), file, method)

    assert all(body.closed for body in source.bodies)


@pytest.mark.parametrize("upstream", ["moto", "ceph", "seaweedfs", "rclone", "fleet"], indirect=True)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths, methods, headers, st.sampled_from([0, 86400, -86400]))
@example(9, "GET", {"Range": f"bytes=1-{2**63 - 1}"}, 0)
@example(9, "GET", {"Range": f"bytes=0-{10**25}"}, 0)
@example(9, "GET", {"Range": "bytes=-10"}, 0)
@example(9, "GET", {"Range": "bytes=9-"}, 0)
@example(9, "HEAD", {"Range": "bytes=9-", "If-None-Match": '"a"'}, 0)
@example(9, "GET", {"Range": "bytes=2-3", "If-Range": '"a"'}, 0)
@example(9, "GET", {"Range": "bytes=2-3", "If-Range": DATES[2]}, 0)
@example(9, "GET", {"If-Modified-Since": DATES[2]}, 0)
@example(9, "HEAD", {"If-Unmodified-Since": DATES[0]}, 0)
@example(0, "GET", {}, 0)
@example(0, "GET", {"Range": "bytes=0-0"}, 0)
def test_the_answer_of_each_real_source_is_that_of_the_reference_model(
    upstream: Upstream, length: int, method: str, headers: dict[str, str], shift: int
) -> None:
    data = bytes(range(length))
    if (key := f"{length}.wav") not in stored_by(upstream):
        upstream.store(data, key)
        stored_by(upstream).add(key)
    described = upstream.ask("HEAD", key=key).headers
    stored_at = int(parsedate_to_datetime(described["Last-Modified"]).timestamp())
    file = File(data, described["ETag"], stored_at)
    headers = {name: of_this_file(value, file, shift) for name, value in headers.items()}

    reply = upstream.ask(method, headers, key=key)

    assert_answers(reply, answer(file, method, headers), file, method)


def of_this_file(value: str, file: File, shift: int) -> str:
    """A header that was made for another file, with this file's tag and date in it."""
    assert file.etag is not None
    assert file.modified is not None
    for old, new in zip(DATES, [-86400 + shift, -1, 0, 1, 86400], strict=True):
        value = value.replace(old, formatdate(file.modified + new, usegmt=True))
    return value.replace('"a"', file.etag)


def stored_by(upstream: Upstream) -> set[str]:
    """The keys that earlier examples stored."""
    kept: set[str] = upstream.app.extensions.setdefault("stored", set())
    return kept


def test_the_model_itself_knows_the_examples_of_the_rfc() -> None:
    file = File(bytes(range(256)) * 40, '"xyzzy"', NOON)  # the RFC's representation of 10,000 bytes, a little longer

    def statuses(values: Sequence[str], name: str) -> list[int]:
        return [answer(file, "GET", {name: value}).status for value in values]

    assert answer(file, "GET", {"Range": "bytes=0-499"}).body == file.data[:500]
    assert answer(file, "GET", {"Range": "bytes=-500"}).body == file.data[-500:]
    assert answer(file, "GET", {"Range": "bytes=9500-"}).body == file.data[9500:]
    assert answer(file, "GET", {"Range": "bytes=0-0,-1"}).status == 200
    assert statuses(['"xyzzy"', 'W/"xyzzy"', '"r2d2", "xyzzy"', "*", '"r2d2"'], "If-Match") == [200, 412, 200, 200, 412]
    assert statuses(['"xyzzy"', 'W/"xyzzy"', "*", '"r2d2"'], "If-None-Match") == [304, 304, 304, 200]
    assert (
        statuses(OLD_DATES + DATES + NO_DATES, "If-Modified-Since") == [304, 304, 200, 200, 304, 304, 304] + [200] * 5
    )
