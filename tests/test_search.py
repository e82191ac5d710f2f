"""The search: rounds of retries, empty recordings, pages, and whatever a source raises."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from unittest.mock import Mock

import pytest

from cxb_recordings.errors import RecordingMissing, RecordingUnreachable, SourceUnavailable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.conditions import PlaybackRequest
from cxb_recordings.playback.source import ContentInfo, OpenedRecording
from cxb_recordings.search import RETRY_SECONDS
from cxb_recordings.sources.cooldown import RETRY_BUDGET
from cxb_recordings.testing import InMemorySource
from tests.fakes import BreakingSource, Searching

DATA = bytes(range(256)) * 100
PAGE = b"<!doctype html><title>Log in</title>" * 300


def status(code: int, retry_after: float | None = None) -> SourceUnavailable:
    return SourceUnavailable(f"status {code}", status=code, retry_after=retry_after)


@dataclass
class Failing(InMemorySource):
    """A source that fails its first requests, and counts all."""

    failures: list[Exception] = field(default_factory=list)
    asked: int = 0

    def describe(self, key: str) -> ContentInfo:  # open() begins with it
        self.asked += 1
        if self.failures:
            raise copy(self.failures.pop(0))
        return super().describe(key)


def failing(*failures: Exception, name: str = "one", data: bytes | None = DATA) -> Failing:
    return Failing({} if data is None else {"a": data}, name, failures=list(failures))


TRANSIENT = [
    *(status(code) for code in (408, 425, 429, 500, 502, 503, 504)),
    SourceUnavailable("ProtocolError", responded=False, is_transient=True),
]
FINAL = [
    *(status(code) for code in (400, 401, 403, 405, 410, 416, 501, 302)),
    SourceUnavailable("refused", responded=False),
]


@pytest.mark.parametrize("failure", TRANSIENT, ids=str)
@pytest.mark.parametrize("times", [1, 2])
def test_a_failure_that_passes_is_outlived_by_get_and_head(failure: SourceUnavailable, times: int) -> None:
    one = failing(*[failure] * times)
    searching = Searching(one, failing(name="two", data=None))
    assert searching.play() == DATA
    assert one.asked == times + 1
    assert 0 < sum(searching.pauses) <= RETRY_SECONDS

    one.failures = [failure] * times
    assert searching.probe() == len(DATA)


@pytest.mark.parametrize(
    ("failure", "asked"), [*((failure, 3) for failure in TRANSIENT), *((failure, 1) for failure in FINAL)], ids=str
)
def test_a_failure_that_passes_is_asked_for_twice_more_at_most_and_a_final_one_costs_no_waiting(
    failure: SourceUnavailable, asked: int
) -> None:
    one = failing(*[failure] * 9)
    searching = Searching(one)
    with pytest.raises(RecordingUnreachable):
        searching.play()
    assert (one.asked, len(searching.pauses)) == (asked, asked - 1)
    assert sum(searching.pauses) <= RETRY_SECONDS


def test_all_other_sources_are_asked_before_one_is_asked_again() -> None:
    one, two = failing(status(503)), failing(name="two")
    searching = Searching(one, two)
    assert searching.play() == DATA
    assert (one.asked, two.asked, searching.pauses) == (1, 1, [])


def test_only_those_that_failed_are_asked_again() -> None:
    one, two = failing(name="one", data=None), failing(status(503), name="two")
    assert Searching(one, two).play() == DATA
    assert (one.asked, two.asked) == (1, 2)


@pytest.mark.parametrize(("told", "asked"), [(0.0, 3), (1.0, 3), (2.0, 2), (3.0, 2), (3.5, 1), (120.0, 1)])
def test_retry_after_is_honoured_up_to_three_seconds_and_a_longer_one_ends_the_search(told: float, asked: int) -> None:
    one = failing(*[status(503, told)] * 9)
    searching = Searching(one)
    with pytest.raises(RecordingUnreachable):
        searching.play()
    assert one.asked == asked
    assert all(pause >= told for pause in searching.pauses)
    assert sum(searching.pauses) <= RETRY_SECONDS


def test_no_source_is_asked_beyond_the_search_timeout() -> None:
    one, two = BreakingSource({}, "one"), failing(name="two")
    searching = Searching(one, two)
    one.on_open = lambda: searching.time.sleep(25)
    with pytest.raises(RecordingUnreachable):
        searching.play()
    assert (len(one.wanted), two.asked) == (1, 0)


def test_no_round_begins_beyond_the_search_timeout() -> None:
    one = failing(*[status(503)] * 9)
    with pytest.raises(RecordingUnreachable):
        Searching(one, search_timeout=0.2).play()
    assert one.asked == 1


def test_a_dead_source_is_asked_again_only_as_often_as_its_budget_allows_and_earns_it_back() -> None:
    one = failing(*[status(503)] * 10_000)
    searching = Searching(one)
    for _ in range(200):
        with pytest.raises(RecordingUnreachable):
            searching.play()
    assert one.asked == 200 + RETRY_BUDGET
    one.failures.clear()
    for _ in range(10):
        assert searching.play() == DATA
    one.failures = [status(503)]
    assert searching.play() == DATA, "ten answers give a retry back"
    one.failures = [status(503)] * 2
    with pytest.raises(RecordingUnreachable):
        searching.play()


def test_a_source_that_breaks_within_the_first_8_kb_is_passed_over_and_asked_again() -> None:
    one = InMemorySource({"a": DATA}, "one", breaks=[100, 8191])
    assert Searching(one, failing(name="two", data=None)).play() == DATA
    two = InMemorySource({"a": DATA[::-1]}, "two")
    assert Searching(InMemorySource({"a": DATA}, "one", breaks=[8191]), two).play() == DATA[::-1]


@pytest.mark.parametrize("request_", ["bytes=0-", None, "bytes=-5"])
def test_an_empty_recording_counts_only_where_every_other_source_has_none(request_: str | None) -> None:
    empty = failing(name="empty", data=b"")
    assert Searching(empty, failing(name="two")).probe() == len(DATA)
    wanted = DATA if request_ != "bytes=-5" else DATA[-5:]
    assert Searching(empty, failing(name="two")).play(request_) == wanted
    assert Searching(empty, failing(name="two", data=None)).play(request_) == b""
    assert Searching(empty, failing(name="two", data=None)).probe() == 0
    assert Searching(empty, failing(name="two", data=b"")).probe() == 0
    for failure in (status(403), status(503), SourceUnavailable("refused", responded=False)):
        for attempt in (Searching.probe, lambda searching: searching.play(request_)):
            with pytest.raises(RecordingUnreachable):
                attempt(Searching(empty, failing(*[failure] * 9, name="two")))


@pytest.mark.parametrize("media_type", ["text/html", "audio/wav", None])
def test_a_page_is_passed_over(media_type: str | None) -> None:
    page = InMemorySource({"a": PAGE}, "page", media_type)
    searching = Searching(page, failing(name="two"))
    assert searching.play() == DATA
    assert searching.play("bytes=0-") == DATA
    with pytest.raises(RecordingUnreachable):
        Searching(page).play()


@pytest.mark.parametrize("data", [PAGE[:1000], PAGE[:36], b"#EXTM3U\n"])
def test_a_short_page_that_only_its_end_delimits_is_named_and_not_asked_again(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ended = SourceUnavailable("the transfer ended, and nothing tells whether it was all", is_transient=True)
    page = InMemorySource({"a": data}, "page")
    original: Callable[..., OpenedRecording] = page.open

    def endless(*arguments: object, **options: object) -> OpenedRecording:
        opened = original(*arguments, **options)
        opened.body.read = Mock(side_effect=[data, ended])  # type: ignore[method-assign]
        return replace(opened, info=replace(opened.info, length=None))

    page.open = endless  # type: ignore[method-assign]
    searching = Searching(page)

    with pytest.raises(RecordingUnreachable):
        searching.play()

    assert searching.pauses == []
    assert "not a recording" in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=5-", "If-Range": '"other"'},
        {"Range": "bytes=999999-", "If-Match": "*"},
        {"Range": "bytes=100-"},
    ],
)
def test_a_source_is_asked_nothing_more_when_the_time_is_over(headers: dict[str, str]) -> None:
    source = failing()
    source.media_type = "text/html"
    searching = Searching(source, search_timeout=1.0)
    describe = source.describe

    def slow(key: str) -> ContentInfo:
        searching.time.sleep(2.0)
        return describe(key)

    source.describe = slow  # type: ignore[method-assign]

    with pytest.raises(RecordingUnreachable):
        searching.service.open("a", PlaybackRequest.from_headers("GET", headers))

    assert source.asked == 1


@pytest.mark.parametrize("wanted", ["bytes=100-", "bytes=-7", "bytes=0-1", "bytes=999999-", "bytes=5-5"])
def test_where_the_type_is_suspect_the_first_bytes_are_asked_for(wanted: str) -> None:
    page = InMemorySource({"a": PAGE}, "page", "application/json")
    span = RangeRequest.parse(wanted)
    assert span
    resolved = span.resolve(len(DATA))
    expected = DATA[resolved.start : resolved.stop] if resolved else b""
    assert Searching(page, failing(name="two")).play(wanted) == expected
    assert Searching(page, failing(name="two")).probe() == len(DATA)
    assert all(body.closed for body in page.bodies)


@pytest.mark.parametrize("wanted", [None, "bytes=0-", "bytes=0-1", "bytes=100-", "bytes=-7"])
def test_audio_that_is_stored_as_html_plays(wanted: str | None) -> None:
    data = b"RIFF" + DATA
    span = RangeRequest.parse(wanted)
    resolved = span.resolve(len(data)) if span else None
    expected = data[resolved.start : resolved.stop] if resolved else data
    searching = Searching(InMemorySource({"a": data}, "one", "text/html"))
    assert searching.play(wanted) == expected
    assert searching.probe() == len(data)


RAISED = [RuntimeError("http://secret"), KeyError("secret"), ValueError("secret"), AssertionError(), OSError("secret")]


@pytest.mark.parametrize("raised", RAISED, ids=repr)
def test_whatever_one_source_raises_is_that_sources_failure(
    raised: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    searching = Searching(failing(*[raised] * 9), failing(name="two"))
    assert searching.play() == DATA
    assert searching.probe() == len(DATA)
    with pytest.raises(RecordingUnreachable):
        Searching(failing(raised)).play()

    body = InMemorySource({"a": DATA}, "one")
    original: Callable[..., OpenedRecording] = body.open

    def raising(*arguments: object, **options: object) -> OpenedRecording:
        opened = original(*arguments, **options)
        opened.body.read = Mock(side_effect=raised)  # type: ignore[method-assign]
        return opened

    body.open = raising  # type: ignore[method-assign]
    assert Searching(body, failing(name="two")).play() == DATA
    assert "secret" not in caplog.text


def test_a_recording_that_nobody_has_is_missing() -> None:
    with pytest.raises(RecordingMissing) as absent:
        Searching(failing(data=None), failing(name="two", data=None)).play()
    assert not isinstance(absent.value, RecordingUnreachable)
