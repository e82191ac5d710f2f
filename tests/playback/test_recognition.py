"""What is a recording, and what is a page or a playlist under a recording's key."""

from __future__ import annotations

import pytest

from cxb_recordings.errors import NotARecording
from cxb_recordings.playback.recognition import is_suspect, require_recording

PAGES = [
    b"<!DOCTYPE html><title>Console",
    b"<!doctype html>",
    b"\r\n\t  <html lang='en'>",
    b"<HTML>",
    b"<?xml version='1.0'?><ListBucketResult>",
    b"\xef\xbb\xbf<html>",
    "<!doctype html>".encode("utf-16"),
    "\n<?xml version='1.0'?>".encode("utf-16-be").join([b"\xfe\xff", b""]),
]
PLAYLISTS = [b"#EXTM3U\n#EXT-X-VERSION:3", b"[playlist]\nFile1=a", b"[Playlist]", b"<MPD xmlns='urn:mpeg:dash'>"]


@pytest.mark.parametrize("media_type", [None, "audio/wav", "application/octet-stream", "text/html"])
@pytest.mark.parametrize("first", [*PAGES, *PLAYLISTS])
def test_a_page_or_a_playlist_is_no_recording_whatever_its_type(first: bytes, media_type: str | None) -> None:
    with pytest.raises(NotARecording):
        require_recording(first, media_type)


SUSPECT = [
    *("text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml", "text/xml", "application/xml"),
    *("application/json", "text/json", "application/problem+json", "application/atom+xml"),
    *("application/vnd.apple.mpegurl", "audio/mpegurl", "audio/x-mpegurl", "application/x-mpegURL", "audio/x-scpls"),
    *("application/dash+xml", "application/xspf+xml"),
]
AUDIO = [
    *(b"RIFF\x24\x00\x00\x00WAVEfmt ", b"ID3\x04\x00", b"\xff\xfb\x90\x64", b"\xff\xf1\x50\x80", b"OggS\x00"),
    *(b"fLaC\x00", b"\x00\x00\x00\x20ftypM4A ", b"\x1aE\xdf\xa3", b"#!AMR\n", b".snd\x00", b"FORM\x00\x00\x00\x00AIFF"),
    *(b"caff\x00\x01", b"0&\xb2u\x8ef\xcf\x11\xa6\xd9"),
]


@pytest.mark.parametrize("media_type", SUSPECT)
def test_with_the_type_of_a_page_only_what_begins_like_audio_is_a_recording(media_type: str) -> None:
    assert is_suspect(media_type)
    for first in AUDIO:
        require_recording(first, media_type)
    for first in (b"{}", b"Please log in", b"\xd5" * 512, b"x"):
        with pytest.raises(NotARecording):
            require_recording(first, media_type)


@pytest.mark.parametrize(
    "media_type", [None, "", "audio/wav", "video/mp4", "application/octet-stream", "text/plain", "image/svg+xml", "x"]
)
def test_with_any_other_type_everything_else_may_be_a_recording(media_type: str | None) -> None:
    assert not is_suspect(media_type)
    for first in (*AUDIO, b"", b"{}", b"\xd5" * 512, b"<", b"<htmlx", b"<script>", b"< html>", b"x <html>"):
        require_recording(first, media_type)
