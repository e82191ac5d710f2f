"""Playback URLs: what is signed plays one recording until it expires, and nothing else opens one."""

from __future__ import annotations

import base64
import json
import math
import string
from collections.abc import Callable, Iterator
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import Signer, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode

from cxb_recordings import InMemoryCallRepository, register
from cxb_recordings.errors import RecordingArchived, SourceUnavailable
from cxb_recordings.operations.doctor import check_playback_keys, diagnose
from cxb_recordings.testing import InMemorySource, hold_in_memory
from tests.web.playback_site import (
    CALLS,
    DATA,
    HOST,
    KEY,
    OLD_KEY,
    OLDEST_KEY,
    OTHER_DATA,
    PLAYBACK,
    Site,
    site,
)
from tests.web.site import PREFIXES, admin_headers, host_app
from tests.web.test_routes import raw

__all__ = ["site"]  # a fixture


def test_a_playback_url_plays_its_recording_on_the_hosts_own_address(site: Site) -> None:
    url = site.service.playback_url("s-1", "calls.example.com:8443")

    assert url.startswith(f"https://calls.example.com:8443{PLAYBACK}/")
    assert site.service.playback_url("s-1", "localhost", scheme="http").startswith(f"http://localhost{PLAYBACK}/")
    assert "?" not in url
    for _ in range(3):  # players send many ranges
        assert site.client.get(urlsplit(url).path).data == DATA
    assert site.client.get(site.path("other")).data == OTHER_DATA
    assert site.client.get(site.path("a/b ü\ud800")).data == DATA


HEADERS: list[dict[str, str]] = [
    *({}, {"Range": "bytes=0-99"}, {"Range": "bytes=-5"}, {"Range": "bytes=9999-"}, {"If-None-Match": "*"}),
    *({"If-Match": '"no"'}, {"Range": "bytes=1-2", "If-Range": '"no"'}, {"Origin": "https://crm.example"}),
]
ENDINGS = ["", "/", "/call.mp3", "/a/b.wav", "?download=1", "/x%22.html?download=1", "?x=%ff"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE"])
def test_a_playback_url_is_answered_as_the_public_link_is(site: Site, method: str) -> None:
    for headers, ending in [(headers, "") for headers in HEADERS] + [({}, ending) for ending in ENDINGS]:
        public, playback = (
            site.client.open(path + ending, method=method, headers=headers)
            for path in (f"{PREFIXES['public']}/token-of-the-first", site.path())
        )
        assert playback.status == public.status
        assert playback.headers == public.headers
        assert playback.data == public.data
        if method in ("GET", "HEAD"):
            assert playback.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


# --- What is refused: all of it gets the 404 of the public route.


def _tampered(signed: str) -> Iterator[str]:
    payload, _, signature = signed.partition(".")
    yield from ("", ".", "..", payload, f"{payload}.", f".{signature}", signature, f"{signature}.{payload}")
    yield from (signed[:-1], signed[1:], f"{signed}A", f"{signed}=", f"A{signed}", f" {signed}", f"{signed} ")
    yield from (f"{signed}%00", f"%00{signed}", f"{signed}%0A", f"{signed}.", f"{payload}..{signature}", signed * 2)
    yield from (signed.upper(), signed.swapcase(), f"{payload}=.{signature}", f"{payload}!.{signature}", f"/{signed}")
    yield from (f"{payload}.{signature[:9]}!{signature[9:]}", f"{payload}.{signature[:9]}%C3%BC{signature[9:]}")
    yield from ("%ff%fe", "%F0%9F%8E%A7", "%ED%A0%80", "x" * 60_000, "x" * 20_000 + "." + "A" * 43, "None", "null")
    alternatives = base64.urlsafe_b64encode(base64.urlsafe_b64decode(f"{signature}=")[:31] + b"\0").decode()
    yield f"{payload}.{alternatives[:43]}"


def _signed_otherwise(site: Site) -> Iterator[str]:
    """Values that are signed by others, in another way, or that hold something else."""
    claims = [1, "s-1", int(site.now) + 60, None]
    payload, salt = base64_encode(json.dumps(claims)), site.urls._salt
    own: dict[str, Any] = {"key_derivation": "hmac", "digest_method": sha256}
    for key, some_salt, how in (
        (OLD_KEY, salt, own),
        (KEY, b"cookie-session", own),
        (KEY, salt + b" ", own),
        (KEY, salt, {}),
        (KEY, salt, own | {"digest_method": sha1}),
        (KEY, salt, own | {"key_derivation": "none"}),
    ):
        yield Signer(key, some_salt, **how).sign(payload).decode()
    yield URLSafeTimedSerializer(KEY, salt, signer_kwargs=own).dumps(claims)
    cookies = SecureCookieSessionInterface().get_signing_serializer(site.app)
    assert cookies is not None
    yield cookies.dumps(claims)
    for other in ([2, *claims[1:]], [], {}, {"0": 1}, "s-1", None, [1, "s-1"], [*claims, 1], [1, 5, claims[2], None]):
        yield Signer(KEY, salt, **own).sign(base64_encode(json.dumps(other))).decode()


def _of_others(site: Site) -> Iterator[str]:
    """Values that the library made for another registration or app with the same key, and with another key."""
    yield Site(name="archive").signed()
    yield Site(Flask("another"), require_admin=lambda view: view).signed()
    yield Site(host_app(SECRET_KEY=OLD_KEY)).signed()


FORGERIES: dict[str, Callable[[Site], Any]] = {
    "tampered": lambda site: _tampered(site.signed()),
    "signed otherwise": _signed_otherwise,
    "made for others": _of_others,
    "of no call": lambda site: [site.signed("unknown"), site.signed("s-1 "), site.signed("keyless")],
    "other secrets": lambda site: ["token-of-the-first", "s-1", KEY, base64_encode("s-1").decode()],
}


@pytest.mark.parametrize("kind", FORGERIES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_was_not_signed_here_gets_the_404_of_the_public_route(site: Site, kind: str, method: str) -> None:
    assert site.client.get(site.path()).status_code == 200
    one = raw(site.client, f"{PREFIXES['public']}/unknown", method)

    for forged in FORGERIES[kind](site):
        reply = raw(site.client, f"{PLAYBACK}/{forged}", method)
        assert (reply.status, list(reply.headers), reply.data) == (one.status, list(one.headers), one.data), forged[:99]


def test_a_value_with_one_other_character_is_404(site: Site) -> None:
    signed = site.signed()
    assert site.urls.read(signed) is not None

    for position, char in enumerate(signed):
        others = string.printable if position == len(signed) - 1 else "A_=!. ü"
        for other in set(others) - {char}:
            assert site.urls.read(signed[:position] + other + signed[position + 1 :]) is None, (position, other)


_SHARED = Site()


@pytest.mark.parametrize("failure", [None, RecordingArchived("in an archive"), SourceUnavailable("down")], ids=repr)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_recording_that_no_source_gives_gets_that_404_too(failure: Any, method: str) -> None:
    one = raw(_SHARED.client, f"{PREFIXES['public']}/unknown", method)

    with hold_in_memory(_SHARED.app, InMemorySource(is_down=failure is not None, failure=failure)):
        for path in (_SHARED.path(), f"{_SHARED.path()}/call.mp3", f"{PREFIXES['public']}/token-of-the-first/call.mp3"):
            reply = raw(_SHARED.client, path, method)
            assert (reply.status, list(reply.headers), reply.data) == (one.status, list(one.headers), one.data)


def test_a_playback_value_is_404_on_the_other_routes(site: Site) -> None:
    signed = site.signed()

    assert site.client.get(f"{PREFIXES['public']}/{signed}").status_code == 404
    assert site.client.get(f"{PREFIXES['admin']}/{signed}").status_code == 401
    assert site.client.get(f"{PREFIXES['admin']}/s-1", headers={"Authorization": f"Bearer {signed}"}).status_code == 401
    assert site.post(f"{PREFIXES['admin']}/s-1/playback-url", {"X": signed}).status_code == 401


def test_time_ends_a_url_at_the_second_that_was_signed_whatever_the_clock_does_between(site: Site) -> None:
    path = site.path(seconds=60)
    etag = site.client.get(path).headers["ETag"]
    end = math.ceil(site.now) + 60

    for now, plays in ((end - 0.1, True), (end - 9000, True), (end, False), (end + 9000, False), (end - 1, True)):
        site.now = now
        for headers, status in (({}, 200), ({"If-None-Match": etag}, 304), ({"Range": "bytes=0-1"}, 206)):
            assert site.client.get(path, headers=headers).status_code == (status if plays else 404)
    site.now = end
    assert site.client.get(path).data == site.client.get(f"{PREFIXES['public']}/unknown").data


def test_a_deleted_call_stops_and_a_revoked_public_link_does_not(site: Site) -> None:
    path, other = site.path(), site.path("other")
    site.calls.revoke("s-1")
    assert site.client.get(path).status_code == 200

    del site.calls._calls["s-1"]

    assert site.client.get(path).status_code == 404
    assert site.client.get(other).status_code == 200


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_rotated_key_plays_what_was_signed_before_and_signs_what_comes(site: Site, as_bytes: bool) -> None:
    config = site.app.config
    paths = []
    for key in (OLDEST_KEY, OLD_KEY, KEY):
        config["SECRET_KEY"] = key.encode() if as_bytes else key
        paths.append(site.path())
    fallbacks = (OLD_KEY, OLDEST_KEY)  # the latest first
    config["SECRET_KEY_FALLBACKS"] = [key.encode() if as_bytes else key for key in fallbacks]

    assert [site.client.get(path).status_code for path in [*paths, site.path()]] == [200] * 4
    assert site.path() == paths[-1]
    config["SECRET_KEY_FALLBACKS"] = None
    assert [site.client.get(path).status_code for path in paths] == [404, 404, 200]
    del config["SECRET_KEY_FALLBACKS"]  # Flask 3.0 has no such key
    assert [site.urls.read(path.rpartition("/")[2]) is not None for path in paths] == [False, False, True]


# --- Keys.

WEAK: list[tuple[dict[str, object], str]] = [
    ({"SECRET_KEY": None}, "SECRET_KEY: missing"),
    ({"SECRET_KEY": ""}, "SECRET_KEY: it has 0 bytes"),
    ({"SECRET_KEY": "x" * 31}, "SECRET_KEY: it has 31 bytes"),
    ({"SECRET_KEY": b"x" * 31}, "SECRET_KEY: it has 31 bytes"),
    ({"SECRET_KEY": "ü" * 15}, "SECRET_KEY: it has 30 bytes"),
    ({"SECRET_KEY_FALLBACKS": ["dev"]}, "SECRET_KEY_FALLBACKS[0]: it has 3 bytes"),
    ({"SECRET_KEY_FALLBACKS": [OLD_KEY, None]}, "SECRET_KEY_FALLBACKS[1]: missing"),
    ({"SECRET_KEY_FALLBACKS": OLD_KEY}, "SECRET_KEY_FALLBACKS: a list of keys is needed, not str"),
]


@pytest.mark.parametrize(("config", "fault"), WEAK, ids=str)
def test_a_key_that_becomes_too_short_plays_nothing_and_signs_nothing(
    site: Site, config: dict[str, object], fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = site.path()
    site.app.config |= config

    assert site.client.get(path).status_code == 404
    with pytest.raises(ValueError, match=fault.split("[")[0]):
        site.path()
    reply = site.post(f"{PREFIXES['admin']}/s-1/playback-url")
    assert (reply.status_code, reply.get_json()["step"]) == (503, "playback URL")
    [failure] = check_playback_keys(site.urls)
    assert (failure.status, f"{failure.check}: {failure.seen}".startswith(fault)) == ("failure", True)
    assert KEY not in f"{caplog.text}{failure}"
    assert OLD_KEY not in f"{caplog.text}{failure}"


@pytest.mark.parametrize("key", ["x" * 32, "ü" * 16, b"x" * 32, "\ud800" * 11])
def test_a_key_of_32_bytes_is_long_enough(key: str | bytes) -> None:
    site = Site(host_app(SECRET_KEY=key, SECRET_KEY_FALLBACKS=(key,)))

    assert site.urls.read(site.signed()) is not None
    [finding] = [finding for finding in diagnose(site.service, site.calls) if finding.check == "playback URLs"]
    assert (finding.status, finding.seen) == ("ok", "2 keys, each of 32 bytes at least")


def test_where_there_are_no_playback_urls_the_doctor_looks_at_no_key() -> None:
    service = register(host_app(SECRET_KEY="dev"), dict, InMemoryCallRepository())

    assert not [finding for finding in diagnose(service, InMemoryCallRepository()) if "SECRET_KEY" in str(finding)]


# --- Arguments.


@pytest.mark.parametrize("seconds", [1, 2, 3600, 86_400])
def test_seconds_in_bounds_are_taken(site: Site, seconds: int) -> None:
    claims = site.urls.read(site.signed(seconds=seconds))

    assert claims is not None
    assert claims.expires_at == math.ceil(site.now) + seconds


@pytest.mark.parametrize(
    ("named", "arguments"),
    [
        *(("seconds", {"seconds": it}) for it in (0, -1, 86_401, 10**30, True, False, 60.0, math.inf, math.nan)),
        *(("seconds", {"seconds": it}) for it in ("60", None)),
        *(("identity", {"identity": it}) for it in ("x" * 129, 7, b"anna", ["anna"], True)),
        *(("session_id", {"session_id": it}) for it in ("", None, 7, b"s-1", ["s-1"])),
        *(("host", {"host": it}) for it in ("", "https://h.example", "h.example/x", "a b", "h.example\n", 7, "ü")),
        *(("scheme", {"scheme": it}) for it in ("ftp", "", None, "HTTPS", "javascript")),
        ("host", {"host": None}),
    ],
    ids=str,
)
def test_a_wrong_argument_is_refused_by_its_name(named: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^{named}: "):
        _SHARED.service.playback_url(**{"session_id": "s-1", "host": HOST} | arguments)


def test_without_the_prefix_there_are_no_playback_urls() -> None:
    app = host_app()
    service = register(app, dict, InMemoryCallRepository(CALLS))

    with pytest.raises(ValueError, match=r"^playback_url_prefix: "):
        service.playback_url("s-1", HOST)
    for path in (f"{PREFIXES['admin']}/s-1/playback-url", f"{PREFIXES['admin']}/s-1"):
        assert app.test_client().post(path, headers=admin_headers(app)).status_code == 405
