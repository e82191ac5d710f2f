"""Replies whose parts don't fit together on the wire, from storage and from a fleet host alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cxb_recordings.errors import SourceUnavailable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.source import RecordingSource
from cxb_recordings.settings import FleetHostSettings, StorageSettings
from cxb_recordings.sources.fleet import FleetHost, make_session
from cxb_recordings.sources.object_storage import ObjectStorage

from . import read
from .scripted import ScriptedServer, reply

DATA = b"0123456789"


def storage(url: str) -> RecordingSource:
    return ObjectStorage(
        StorageSettings(url, "us-east-1", "b", "key", "secret"), connect_timeout=5, read_timeout=5, ca_bundle=None
    )


def fleet(url: str) -> RecordingSource:
    return FleetHost(make_session(), FleetHostSettings(url), connect_timeout=5, read_timeout=5)


@pytest.fixture(params=[storage, fleet], ids=["storage", "fleet"])
def ask(request: pytest.FixtureRequest) -> Callable[[str], RecordingSource]:
    maker: Callable[[str], RecordingSource] = request.param
    return maker


@pytest.mark.parametrize("status", [101, 102, 103, 199])
def test_nobody_hears_the_reply_that_came_behind_an_interim_one(
    status: int, ask: Callable[[str], RecordingSource]
) -> None:
    interim = f"HTTP/1.1 {status} X\r\n\r\n".encode()
    scripts = [[interim + reply(200, b"of bob")], [reply(200, b"of eve")]]
    with ScriptedServer(*scripts) as server:
        source = ask(server.url)
        with pytest.raises(SourceUnavailable, match=f"status {status}"):
            source.open("bob")

        assert read(source.open("eve")) == b"of eve"


def test_a_reply_behind_100_is_the_reply(ask: Callable[[str], RecordingSource]) -> None:
    with ScriptedServer([b"HTTP/1.1 100 Continue\r\n\r\n" + reply(200, DATA)] * 2) as server:
        assert read(ask(server.url).open("k")) == DATA


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, chunked", "identity", "chun", "", "xchunked"])
def test_a_transfer_coding_other_than_chunked_is_refused(coding: str, ask: Callable[[str], RecordingSource]) -> None:
    answer = f"HTTP/1.1 200 X\r\nTransfer-Encoding: {coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode()
    with ScriptedServer([answer], closes=True) as server, pytest.raises(SourceUnavailable, match="Transfer-Encoding"):
        ask(server.url).open("k")


def test_a_head_that_is_cut_off_is_no_empty_recording(ask: Callable[[str], RecordingSource]) -> None:
    whole = b'HTTP/1.1 200 X\r\nETag: "x"\r\nTransfer-Encoding: chunked\r\n\r\n'
    for end in range(len("HTTP/1.1 200 X\r\n"), len(whole)):
        with ScriptedServer([whole[:end]], closes=True) as server, pytest.raises(SourceUnavailable):
            assert read(ask(server.url).open("k")) is None, whole[:end]


def test_a_reply_in_parts_to_a_request_for_one_range_is_refused(ask: Callable[[str], RecordingSource]) -> None:
    headers = ("Content-Range: bytes 2-5/10", "Content-Type: multipart/byteranges; boundary=x")
    with ScriptedServer([reply(206, b"2345", *headers)]) as server, pytest.raises(SourceUnavailable, match="parts"):
        ask(server.url).open("k", RangeRequest(2, 5))
