"""The Content-Disposition: a file name that every client reads, and that crashes no server."""

from __future__ import annotations

import re
from email.message import Message
from email.utils import collapse_rfc2231_value

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxb_recordings.playback.media_types import BY_ENDING, with_ending_of
from cxb_recordings.web.file_names import content_disposition

from .site import Upstream


def names(header: str) -> tuple[str, str]:
    """The plain file name and the one that a client of RFC 8187 takes, as Python's own parser reads them."""
    plain = re.search(r'filename=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', header)
    assert plain is not None
    message = Message()
    extended = re.search(r"filename\*=([^;]+)", header)
    message["Content-Disposition"] = f"inline; filename*={extended[1]}" if extended else header
    return plain[1] or plain[2], collapse_rfc2231_value(message.get_param("filename", header="Content-Disposition"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "plain", "extended"),
    [
        ("call.wav", "call.wav", "call.wav"),
        ("2024/05/call 1.wav", "call 1.wav", "call 1.wav"),
        ('a "quoted" name.wav', "a _quoted_ name.wav", 'a "quoted" name.wav'),
        ("a;b=c,d.wav", "a;b=c,d.wav", "a;b=c,d.wav"),
        ("50%25.wav", "50_25.wav", "50%25.wav"),
        ("back\\slash.wav", "back_slash.wav", "back_slash.wav"),
        ("line\r\nSet-Cookie: a=b.wav", "line__Set-Cookie: a=b.wav", "line__Set-Cookie: a=b.wav"),
        ("nul\x00.wav", "nul_.wav", "nul_.wav"),
        ("right\u202eto left.wav", "right_to left.wav", "right_to left.wav"),
        ("Grüße.wav", "Grue.wav", "Grüße.wav"),
        ("звонок 1.wav", "1.wav", "звонок 1.wav"),
        ("звонок.wav", "recording.wav", "звонок.wav"),
        ("📞.mp3", "recording.mp3", "📞.mp3"),
        ("a\uff0fb\u2100.wav", "a_ba_c.wav", "a\uff0fb\u2100.wav"),
        ("call.звук", "call", "call.звук"),
        (".wav", ".wav", ".wav"),
        ("...", "recording", "..."),
        ("a/", "recording", "recording"),
    ],
)
def test_a_file_name_reads_the_same_to_old_and_new_clients(key: str, plain: str, extended: str) -> None:
    assert names(content_disposition(key, attachment=False)) == (plain, extended)


def test_a_file_name_of_300_characters_is_cut_and_keeps_its_ending() -> None:
    for stem in ("a" * 300, "я" * 300, "📞" * 300):
        plain, extended = names(content_disposition(f"{stem}.wav", attachment=True))
        assert len(extended.encode()) <= 255
        assert extended.endswith(".wav")
        assert stem.startswith(extended.removesuffix(".wav"))
        assert plain.endswith(".wav")
        assert len(plain) <= 255


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_no_key_makes_a_header_that_a_server_can_not_send(key: str) -> None:
    header = content_disposition(key, attachment=True)

    assert re.fullmatch(r'attachment; filename=(?:"[ !#-.0-\[\]-~]+"|[!-~]+)(?:; filename\*=UTF-8\'\'[!-~]+)?', header)
    plain, extended = names(header)
    assert plain
    assert extended
    assert "/" not in plain + extended


@pytest.mark.parametrize("key", ['2024/a "b".wav', "звонок/звонок.wav", "📞.mp3", "a" * 300 + ".wav", "50%25+#?.wav"])
def test_a_recording_with_an_odd_name_plays_and_tells_its_name(upstream: Upstream, key: str) -> None:
    upstream.store(b"0123456789", key)

    for method, headers, body in (
        ("GET", {}, b"0123456789"),
        ("GET", {"Range": "bytes=2-3"}, b"23"),
        ("HEAD", {}, b""),
    ):
        reply = upstream.ask(method, headers, key=key)
        assert reply.status_code in (200, 206)
        assert reply.data == body
        assert names(reply.headers["Content-Disposition"])[1] == key.rpartition("/")[2][-255:]


@pytest.mark.parametrize(
    ("name", "content_type", "expected"),
    [
        ("call.wav", "audio/wav", "call.wav"),
        ("call.WAVE", "audio/wav", "call.WAVE"),
        ("call.opus", "audio/ogg", "call.opus"),
        ("call.mp3", "audio/wav", "call.wav"),
        ("call.mp3", "audio/x-wav", "call.wav"),
        ("call.mp3", 'audio/ogg; codecs="opus"', "call.ogg"),
        ("call.amr", "audio/AMR", "call.amr"),
        ("page.html", "audio/mpeg", "page.mp3"),
        ("run.bat", "AUDIO/MPEG", "run.mp3"),
        ("run.bat", "application/octet-stream", "run.bin"),
        ("run.bat.", "application/octet-stream", "run.bat.bin"),
        ("run.bat ", "audio/x-unknown", "run.bin"),
        ("run.wav.bat", "audio/wav", "run.wav.wav"),
        ("call.wav", "application/octet-stream", "call.wav"),
        ("call", "audio/wav", "call.wav"),
        ("wav", "audio/wav", "wav.wav"),
        (".wav", "audio/wav", "wav.wav"),
        (" . ", "audio/wav", "recording.wav"),
        ("Call 3.5 of May", "audio/mpeg", "Call 3.mp3"),
    ],
)
def test_a_name_from_outside_ends_as_its_type_does(name: str, content_type: str, expected: str) -> None:
    assert with_ending_of(name, content_type) == expected


@given(st.text(), st.sampled_from(["audio/wav", "audio/x-unknown", "application/octet-stream", "video/mp4; codecs=a"]))
def test_no_name_from_outside_makes_a_page_or_a_program(name: str, content_type: str) -> None:
    ending = with_ending_of(name, content_type).rpartition(".")[2].lower()

    assert ending in {*BY_ENDING, "bin"}
