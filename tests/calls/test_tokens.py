"""Access tokens: minted, judged by their shape, and told apart in logs."""

from __future__ import annotations

import re
import string
from datetime import datetime, timedelta, timezone

import pytest

from cxb_recordings import InMemoryCallRepository, build_public_recording_url, mint_recording_access_token
from cxb_recordings.calls.tokens import fingerprint, is_well_formed


def test_a_minted_token_has_256_bits_in_43_url_safe_characters() -> None:
    tokens = [mint_recording_access_token() for _ in range(1000)]

    assert len(set(tokens)) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) and is_well_formed(token) for token in tokens)
    assert {character for token in tokens for character in token} == set(string.ascii_letters + string.digits + "-_")
    assert len(build_public_recording_url("recordings.voice-platform.example:8443", tokens[0])) < 120


@pytest.mark.parametrize("token", ["a", "...", ".a", "-", "~", "_", "A-Za-z0-9._~-", "x" * 256])
def test_links_that_others_minted_live_on(token: str) -> None:
    assert is_well_formed(token)


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "x" * 257, "a b", "a/b", "a%20b", "a+b", "a=", "a\n", "\na", "a\0", "ü", "１", "ſ", "\ud800"]
    + [None, 7, True, b"a", ["a"], {"$ne": None}],
)
def test_anything_else_is_no_token(token: object) -> None:
    assert not is_well_formed(token)


@pytest.mark.parametrize("token", ["", "token-of-a-call", "ü", "\ud800", "x" * 10_000])
def test_a_fingerprint_is_stable_short_and_does_not_tell_the_token(token: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", fingerprint(token))
    assert fingerprint(token) == fingerprint(token) != fingerprint(token + "x")


@pytest.mark.parametrize(("seconds", "opens"), [(-1, False), (0, False), (1, True)])
def test_an_expiry_without_a_time_zone_in_a_call_that_came_from_mongodb_is_utc(seconds: int, opens: bool) -> None:
    expiry = datetime(2024, 5, 1, 10) + timedelta(seconds=seconds)
    call = {"session_id": "s", "recording_access_token": "t", "recording_access_expires_at": expiry}
    repository = InMemoryCallRepository([call], clock=lambda: datetime(2024, 5, 1, 10, tzinfo=timezone.utc))

    assert (repository.find_by_access_token("t") is not None) == opens
