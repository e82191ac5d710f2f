"""The Content-Type: the source's where it can only be played, else by the key's ending; never one that runs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxb_recordings.playback.media_types import FALLBACK, media_type

from .site import Upstream

JUNK = [
    *("text/html", "image/svg+xml", "application/xhtml+xml", "binary/octet-stream"),
    *("audio", "audio/", "", "audio/x y"),
]


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        *(("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("ogg", "audio/ogg"), ("opus", "audio/ogg")),
        *(("m4a", "audio/mp4"), ("mp4", "video/mp4"), ("webm", "video/webm"), ("flac", "audio/flac")),
        *(("gsm", "audio/x-gsm"), ("amr", "audio/AMR"), ("aac", "audio/aac"), ("wave", "audio/wav")),
        *(("oga", "audio/ogg"), ("spx", "audio/ogg"), ("weba", "audio/webm"), ("mka", "audio/matroska")),
        *(("aif", "audio/aiff"), ("aiff", "audio/aiff"), ("au", "audio/basic"), ("ulaw", "audio/basic")),
        *(("awb", "audio/AMR-WB"), ("wma", "audio/x-ms-wma"), ("caf", "audio/x-caf"), ("m4v", "video/mp4")),
        *(("mov", "video/quicktime"), ("mkv", "video/matroska"), ("3gp", "video/3gpp"), ("3g2", "video/3gpp2")),
        *(("WAV", "audio/wav"), ("html", FALLBACK), ("svg", FALLBACK), ("xyz", FALLBACK)),
    ],
)
def test_without_a_playable_type_of_the_source_the_keys_ending_decides(ending: str, expected: str) -> None:
    for from_source in (None, *JUNK):
        assert media_type(f"2024/call.{ending}", from_source) == expected


@pytest.mark.parametrize("key", ["call", "wav", "a.wav/call", ".", "call.", "2024.wav/x"])
def test_a_key_without_an_ending_falls_back(key: str) -> None:
    assert media_type(key, "text/html") == FALLBACK


@pytest.mark.parametrize(
    ("from_source", "expected"),
    [
        ("audio/x-wav", "audio/x-wav"),
        ("VIDEO/mp4", "VIDEO/mp4"),
        (" audio/ogg ", "audio/ogg"),
        ("audio/ogg; codecs=opus", "audio/ogg; codecs=opus"),
        ('audio/mp4;codecs="mp4a.40.2"', 'audio/mp4; codecs="mp4a.40.2"'),
        ('video/mp4; x=y; codecs="avc1, mp4a"; z=1', 'video/mp4; codecs="avc1, mp4a"'),
        ("audio/wav; charset=utf-8", "audio/wav"),
        ("audio/L16;rate=8000;channels=1", "audio/L16"),
        ("audio/ogg; codecs=<script>", "audio/ogg"),
        ('audio/ogg; codecs="a', "audio/ogg"),
        ("audio/ogg;", "audio/ogg"),
    ],
)
def test_of_a_playable_type_only_codecs_is_kept(from_source: str, expected: str) -> None:
    assert media_type("call.mp3", from_source) == expected


@settings(deadline=None)
@given(st.text(max_size=40), st.none() | st.text(max_size=60) | st.text("audiovde/;= codecs\"'\r\n\x00é", max_size=60))
def test_whatever_a_source_says_the_type_can_be_sent_and_can_not_run(key: str, from_source: str | None) -> None:
    sent = media_type(key, from_source)

    assert sent.isascii()
    assert sent.isprintable()
    assert sent == FALLBACK or sent.lower().startswith(("audio/", "video/"))


@pytest.mark.parametrize(
    ("from_source", "key", "expected"),
    [
        ("audio/mpeg", "call.wav", "audio/mpeg"),
        ("audio/ogg; codecs=opus", "call.bin", "audio/ogg; codecs=opus"),
        ("text/html", "call.mp3", "audio/mpeg"),
        ("application/octet-stream", "call.m4a", "audio/mp4"),
        ("binary/octet-stream", "call", "application/octet-stream"),
        ("image/svg+xml", "call.svg", "application/octet-stream"),
    ],
)
def test_the_type_reaches_the_client_in_200_206_and_head(
    upstream: Upstream, from_source: str, key: str, expected: str
) -> None:
    upstream.store(b"<script>" if from_source != "text/html" else b"ID3<script>", key, from_source)

    for method, headers in (("GET", {}), ("HEAD", {}), ("GET", {"Range": "bytes=0-1"})):
        assert upstream.ask(method, headers, key=key).headers["Content-Type"] == expected


@pytest.mark.parametrize(("key", "expected"), [("call.flac", "audio/flac"), ("call", FALLBACK)])
def test_the_type_is_never_absent_though_the_source_sends_none(fleet: Upstream, key: str, expected: str) -> None:
    fleet.store(b"x", key)
    fleet.source.media_type = None  # type: ignore[union-attr]

    assert fleet.ask(key=key).headers["Content-Type"] == expected
