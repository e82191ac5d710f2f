"""The head of every reply: a table from decision, knowledge and audience to status and headers, without an app."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from cxb_recordings.playback.byte_range import ByteSpan
from cxb_recordings.playback.conditions import Decision
from cxb_recordings.playback.source import ContentInfo
from cxb_recordings.search import Offloaded
from cxb_recordings.web import head
from cxb_recordings.web.head import ADMIN, PUBLIC, Audience, Head, recording_head
from cxb_recordings.web.offload import offloaded_head

KEY = "2024/05/call 1.wav"
INFO = ContentInfo(10240, "tag", last_modified=datetime(2024, 5, 1, 10, tzinfo=timezone.utc), media_type="audio/x-wav")
PLAYER = "default-src 'none'; media-src 'self'; sandbox allow-same-origin"
NO_PLAYER = "default-src 'none'; sandbox"
GUARDS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
OF_PUBLIC = {"Cross-Origin-Resource-Policy": "cross-origin", "X-Robots-Tag": "noindex, nofollow"}
OF_ADMIN = {"Cross-Origin-Resource-Policy": "same-site"}
AUDIENCES = pytest.mark.parametrize(("audience", "own"), [(PUBLIC, OF_PUBLIC), (ADMIN, OF_ADMIN)])

PLAYED = {**GUARDS, "Content-Security-Policy": PLAYER, "Cache-Control": "private, no-cache"}
VALIDATORS = {"ETag": '"tag"', "Last-Modified": "Wed, 01 May 2024 10:00:00 GMT"}
OF_BODY = {"Content-Type": "audio/x-wav", "Content-Disposition": 'inline; filename="call 1.wav"'}
WHOLE = {**PLAYED, **VALIDATORS, **OF_BODY, "Accept-Ranges": "bytes", "Content-Length": "10240"}
OF_PART = {"Content-Length": "5", "Content-Range": "bytes 5-9/10240"}
NO_LENGTH, NOTHING_KNOWN = ContentInfo(None, media_type="audio/x-wav"), ContentInfo(None)


@AUDIENCES
@pytest.mark.parametrize(
    ("decision", "info", "headers"),
    [
        (Decision(200), INFO, WHOLE),
        (Decision(206, ByteSpan(5, 10)), INFO, WHOLE | OF_PART),
        (Decision(200), ContentInfo(10240, "tag", etag_is_weak=True, media_type="audio/x-wav"), None),
        (Decision(200), ContentInfo(0, media_type="audio/x-wav"), None),
        (Decision(200), NO_LENGTH, PLAYED | OF_BODY),
        (Decision(304), INFO, PLAYED | VALIDATORS),
    ],
)
def test_a_recording_has_exactly_these_headers(
    audience: Audience, own: dict[str, str], decision: Decision, info: ContentInfo, headers: dict[str, str] | None
) -> None:
    if headers is None:
        headers = PLAYED | OF_BODY | {"Accept-Ranges": "bytes", "Content-Length": str(info.length)}
        headers |= {"ETag": 'W/"tag"'} if info.etag else {}

    assert recording_head(decision, info, KEY, audience) == Head(decision.status, headers | own)


@AUDIENCES
@pytest.mark.parametrize(
    ("decision", "info", "status", "more"),
    [
        (Decision(412), INFO, 412, {}),
        (Decision(416), INFO, 416, {"Content-Range": "bytes */10240"}),
        (Decision(200), NO_LENGTH, 502, {}),
    ],
)
def test_a_problem_has_exactly_these_headers_and_no_player(
    audience: Audience, own: dict[str, str], decision: Decision, info: ContentInfo, status: int, more: dict[str, str]
) -> None:
    made = recording_head(decision, info, KEY, audience, shows_breaks=False)

    of_problem = {"Cache-Control": "no-store", "Content-Type": "application/problem+json"}
    assert (made.status, made.headers) == (
        status,
        {**GUARDS, "Content-Security-Policy": NO_PLAYER, **of_problem, **own, **more},
    )
    assert json.loads(made.document)["status"] == status


@pytest.mark.parametrize("decision", [Decision(304), Decision(412)])
def test_without_a_length_only_a_200_needs_a_server_that_shows_breaks(decision: Decision) -> None:
    assert recording_head(decision, NO_LENGTH, KEY, PUBLIC, shows_breaks=False).status == decision.status


def test_only_an_administrator_is_told_the_step() -> None:
    assert json.loads(head.not_found(ADMIN, "key").document)["step"] == "key"
    for reason in (None, "not-uploaded", "missing", "archived", "unreachable"):
        assert head.not_found(PUBLIC, "key", reason) == head.not_found(PUBLIC, "sources")
        assert json.loads(head.not_found(ADMIN, "key", reason).document).get("reason") == reason
    assert "sources" not in head.busy("Later.", PUBLIC, "sources").document
    assert head.busy("Later.", ADMIN).headers["Retry-After"] == "5"


@AUDIENCES
@pytest.mark.parametrize(
    ("name", "media_type", "has_player"),
    [
        ("call.wav", "audio/wav", True),
        ("call.mp4", "video/mp4", True),
        ("call", "audio/ogg; codecs=opus", True),
        ("call", "AUDIO/WAV", True),
        ("call", "Video/WebM", True),
        ("call.wav", "binary/octet-stream", True),
        ("call.mp3", "text/html", True),
        ("call.wav", "", True),
        ("page.html", "audio/wav", True),
        ("page.html", "text/html", False),
        ("picture.svg", "image/svg+xml", False),
        ("call", "application/octet-stream", False),
        ("call", "audio", False),
        ("call", "text/audio/wav", False),
    ],
)
def test_what_is_sent_as_audio_or_video_may_load_itself_and_nothing_else_may(
    audience: Audience, own: dict[str, str], name: str, media_type: str, has_player: bool
) -> None:
    info = ContentInfo(10, "tag", media_type=media_type)
    heads = [
        recording_head(Decision(200), info, name, audience),
        recording_head(Decision(200), info, name, audience, attachment=True),
        recording_head(Decision(206, ByteSpan(5, 10)), info, name, audience),
    ]

    for made in heads:
        assert made.headers["Content-Security-Policy"] == (PLAYER if has_player else NO_PLAYER)
        assert made.headers["Content-Type"].lower().startswith(("audio/", "video/")) == has_player


@pytest.mark.parametrize(
    ("key", "info", "policy"),
    [("call.wav", NOTHING_KNOWN, PLAYER), ("call", NOTHING_KNOWN, None), ("call", INFO, PLAYER)],
)
def test_a_304_keeps_the_policy_of_its_200_where_the_type_is_not_known(
    key: str, info: ContentInfo, policy: str | None
) -> None:
    assert recording_head(Decision(304), info, key, PUBLIC).headers.get("Content-Security-Policy") == policy


def test_what_nginx_fetches_keeps_no_header_that_storage_sends() -> None:
    part = recording_head(Decision(206, ByteSpan(5, 10)), INFO, KEY, PUBLIC)

    made = offloaded_head(part, "/_protected/", Offloaded("https://s3.example/signed", "bytes=5-9"))

    assert made.status == 200
    assert made.headers == {
        **PLAYED,
        **OF_BODY,
        **OF_PUBLIC,
        "Accept-Ranges": "bytes",
        "X-Accel-Redirect": "/_protected/",
        "X-Storage-URL": "https://s3.example/signed",
        "X-Storage-Range": "bytes=5-9",
    }
