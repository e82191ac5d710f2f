"""Fleet hosts: what is sent to them, and what is made of the ways in which they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import responses

from cxb_recordings.errors import RecordingMissing, SourceUnavailable
from cxb_recordings.playback.byte_range import ByteSpan, RangeRequest
from cxb_recordings.sources.fleet import FleetHost, FleetHostSettings, make_session
from cxb_recordings.sources.transport import Transport
from tests.servers import free_port
from tests.servers.conversation import Kind, Validator
from tests.servers.origin import OriginFactory

from . import read

KEY = "2024/05/call one.wav"
DATA = b"0123456789"
RANGE, SPAN = RangeRequest(2, 5), ByteSpan(2, 6)


@dataclass
class Told:
    """What a behaviour comes to: a length and the span of a ranged open, or the status of a failure."""

    length: int | None = len(DATA)
    span: ByteSpan | None = SPAN
    whole_fails: int | None = None
    range_fails: int | None = None
    requests_of_whole: int = 1
    requests_of_describe: int = 1


BEHAVIOURS: list[tuple[Kind | None, Validator, Told]] = [
    (None, "strong", Told()),
    (None, "weak", Told()),
    (None, "none", Told()),
    ("500", "strong", Told(whole_fails=500, range_fails=500)),
    ("302", "strong", Told(whole_fails=302, range_fails=302)),
    ("403", "strong", Told(whole_fails=403, range_fails=403)),
    ("no length", "strong", Told(None, None, requests_of_whole=3, requests_of_describe=2)),
    ("length only in ranges", "strong", Told(requests_of_whole=2, requests_of_describe=2)),
    ("ignores Range", "strong", Told(span=None)),
    ("no HEAD", "strong", Told(requests_of_describe=2)),
    ("HEAD is 501", "strong", Told(requests_of_describe=2)),
    ("gzip", "strong", Told(whole_fails=200, range_fails=200)),
    ("wrong Content-Range", "strong", Told(range_fails=206)),
]


@pytest.mark.parametrize(("fault", "validator", "told"), BEHAVIOURS)
def test_each_way_to_answer_is_believed_or_refused(
    fault: Kind | None, validator: Validator, told: Told, make_origin: OriginFactory, ask: Callable[..., FleetHost]
) -> None:
    host = make_origin({KEY: DATA}, fault=fault, validator=validator)
    source = ask(host.url)
    asks: list[tuple[Callable[[], object], int | None]] = [
        (lambda: source.open(KEY), told.whole_fails),
        (lambda: source.describe(KEY), told.whole_fails),
        (lambda: source.open(KEY, RANGE), told.range_fails),
    ]
    for attempt, status in asks:
        if status is not None:
            with pytest.raises(SourceUnavailable) as failure:
                attempt()
            assert (failure.value.status, failure.value.responded) == (status, True)
    if told.whole_fails is not None:
        return

    host.requests.clear()
    opened = source.open(KEY)
    assert (opened.info.length, opened.span, read(opened)) == (told.length, None, DATA)
    assert len(host.requests) == told.requests_of_whole
    assert source.describe(KEY) == opened.info
    assert len(host.requests) == told.requests_of_whole + told.requests_of_describe
    if fault in ("no HEAD", "HEAD is 501"):
        assert host.requests[-1].headers["Range"] == "bytes=0-0"
    assert (opened.info.etag is None) == (opened.info.last_modified is None) == (validator == "none")
    assert opened.info.etag_is_weak == (validator == "weak")
    if told.range_fails is None:
        ranged = source.open(KEY, RANGE)
        assert (ranged.info, ranged.span) == (opened.info, told.span)
        assert read(ranged) == (DATA[2:6] if told.span else DATA)


@pytest.mark.parametrize("fault", [None, "no HEAD", "length only in ranges", "no length", "ignores Range"])
def test_an_empty_recording_is_one_whatever_the_host_can_do(
    fault: Kind | None, make_origin: OriginFactory, ask: Callable[..., FleetHost]
) -> None:
    source = ask(make_origin({KEY: b""}, fault=fault).url)

    opened = source.open(KEY)

    assert (opened.info.length, opened.span, read(opened)) == (0, None, b"")
    assert opened.info.media_type == "audio/wav"
    assert source.describe(KEY) == opened.info


def test_a_404_is_an_absence_and_a_refused_connection_is_not(
    make_origin: OriginFactory, ask: Callable[..., FleetHost]
) -> None:
    absent, away = ask(make_origin(fault="404").url), ask(make_origin(fault="refuses").url)
    tls = ask(make_origin({KEY: DATA}).url.replace("http:", "https:"))

    for attempt in (FleetHost.open, FleetHost.describe):
        with pytest.raises(RecordingMissing):
            attempt(absent, KEY)
        for source in (away, tls):
            with pytest.raises(SourceUnavailable) as failure:
                attempt(source, KEY)
            assert not failure.value.responded


TARGETS = {
    "plain.wav": "plain.wav",
    "2024/05/call one.wav": "2024/05/call%20one.wav",
    "%2e%2e": "%252e%252e",
    "a/%2e%2e/b": "a/%252e%252e/b",
    "%2E": "%252E",
    "a%2Fb": "a%252Fb",
    "100%": "100%25",
    "a+b": "a%2Bb",
    "a?b=c&d#e": "a%3Fb%3Dc%26d%23e",
    "a;b:c@d,e$f!g*h(i)": "a%3Bb%3Ac%40d%2Ce%24f%21g%2Ah%28i%29",
    "http://elsewhere.example": None,
    "ü/日": "%C3%BC/%E6%97%A5",
    "~a_b-c.d": "~a_b-c.d",
    "...": "...",
    ".a/..b": ".a/..b",
    "a//b": None,
    "/a": None,
    "a/": None,
    "a\\b": None,
    "..\\b": None,
}


@pytest.mark.parametrize(("key", "target"), TARGETS.items())
def test_a_key_is_quoted_segment_by_segment_on_the_request_line(
    key: str, target: str | None, make_origin: OriginFactory, ask: Callable[..., FleetHost]
) -> None:
    host = make_origin(base="/core")
    for attempt in (FleetHost.open, FleetHost.describe):
        with pytest.raises(RecordingMissing):
            attempt(ask(host.url), key)

    assert {request.target for request in host.requests} == ({f"/core/recordings/{target}"} if target else set())


def test_a_request_has_no_header_but_what_is_needed(make_origin: OriginFactory, ask: Callable[..., FleetHost]) -> None:
    host = make_origin({KEY: DATA}, secret="of this host")
    usual = {"host", "accept-encoding", "user-agent"}

    read(ask(host.url, "of this host").open(KEY))
    read(ask(host.url, "of this host").open(KEY, RANGE))
    read(ask(host.url, "of this host").open(KEY, unless_etag="tag"))
    with pytest.raises(SourceUnavailable, match="403"):
        ask(host.url, None).open(KEY)

    sent = [{name.lower(): value for name, value in request.headers.items()} for request in host.requests]
    assert [set(headers) - usual for headers in sent] == [
        {"x-cxbcore-secret"},
        {"x-cxbcore-secret", "range"},
        {"x-cxbcore-secret", "if-none-match"},
        set(),
    ]
    assert (sent[1]["range"], sent[2]["if-none-match"]) == ("bytes=2-5", '"tag"')
    assert {headers["accept-encoding"] for headers in sent} == {"identity"}
    assert {headers.get("x-cxbcore-secret") for headers in sent} == {"of this host", None}


def test_nothing_in_the_environment_changes_a_request(
    make_origin: OriginFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
        monkeypatch.setenv(name.lower(), proxy)
    for name in ("NO_PROXY", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "absent.pem"))
    (tmp_path / ".netrc").write_text("default login stranger password stolen\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    host = make_origin({KEY: DATA}, secret="s")
    assert requests.utils.get_netrc_auth(host.url) == ("stranger", "stolen")  # what requests would do by itself

    with make_session() as session:
        source = FleetHost(session, FleetHostSettings(host.url, "s"), Transport(5, 30))
        assert read(source.open(KEY)) == DATA

    assert [request.headers["Authorization"] for request in host.requests] == [None]


@responses.activate
def test_a_cookie_is_not_kept(ask: Callable[..., FleetHost]) -> None:
    headers = {"Set-Cookie": "a=b; Path=/", "Content-Length": str(len(DATA))}
    responses.get("http://fleet.example/recordings/k", body=DATA, headers=headers)
    for _ in range(2):
        assert read(ask("http://fleet.example").open("k")) == DATA

    assert "Cookie" not in responses.calls[1].request.headers
