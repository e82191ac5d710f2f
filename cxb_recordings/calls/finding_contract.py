"""What every repository does that finds calls; see :class:`~cxb_recordings.calls.repository.CallRepository`.

How a check fails is in ``contract``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from .contract import (
    DAY,
    NEAR_IDS,
    TOKEN,
    Check,
    Maker,
    RepositoryFactory,
    at_once,
    call_with,
    expect,
    expect_call,
    expect_closed,
    expect_open,
    expect_result,
    run,
    said,
    shown,
    utc,
)

_TEXT_IDS = ["a/b?c#d%20", "1-2.3@host;tag=x+y", "ümläut 録音", "x" * 200]
_NEAR_TOKENS = ["unknown", TOKEN.swapcase(), TOKEN[:-1], f"{TOKEN}x", "_" * len(TOKEN), "." * len(TOKEN), "x" * 256]
_OF_NO_CALL = ["None", "null", "none", "NULL", "undefined", "0", "False"]


def check_call_repository(factory: RepositoryFactory) -> None:
    """Check that a repository finds calls as :class:`~cxb_recordings.CallRepository` says.

    Args:
        factory: called for each check, by some more than once, with a list of calls. Returns a repository that holds
            these calls and no others; the one that it returned before is not used any more. Each call is a dict with
            ``session_id`` and, as far as it has them, ``recording_key``, ``recording_url``, ``recording_access_token``
            (a string or None), ``recording_access_expires_at`` (an aware datetime or None) and
            ``recording_access_revoked`` (a bool or None).

    Raises:
        AssertionError: at least one check failed; the message has one sentence for each.
    """
    run(_FINDING, factory)


def _by_session_id(make: Maker) -> None:
    """A call is found by its session id."""
    calls = [call_with(), call_with("s-2", recording_access_token=TOKEN), *map(call_with, _TEXT_IDS)]
    repository = make(*calls)
    for call in calls:
        session_id = call["session_id"]
        expect_call(repository.find_by_session_id(session_id), call, said("find_by_session_id", session_id))


def _by_token(make: Maker) -> None:
    """A call is found by its access token."""
    tokens = [TOKEN, TOKEN.swapcase(), "legacy.token_1~-", "x" * 256]
    calls = [call_with(f"s-{n}", recording_access_token=token) for n, token in enumerate(tokens)]
    repository = make(call_with("without"), *calls)
    for call, token in zip(calls, tokens, strict=True):
        expect_call(repository.find_by_access_token(token), call, said("find_by_access_token", token))


def _incomplete(make: Maker) -> None:
    """A call without a key or a URL is found with what it has."""
    calls = [{"session_id": "key", "recording_key": "a.mp3"}, {"session_id": "url", "recording_url": "https://s/b.mp3"}]
    calls.append({"session_id": "neither"})
    repository = make(*calls)
    for call in calls:
        name = call["session_id"]
        expect_call(repository.find_by_session_id(name), call, said("find_by_session_id", name))


def _unknown_session(make: Maker) -> None:
    """A session id that no call has finds None: the comparison is exact."""
    repository = make(call_with(), call_with("s-2"))
    for session_id in NEAR_IDS:
        expect_result(repository, None, "find_by_session_id", session_id)


def _unknown_token(make: Maker) -> None:
    """A token that no call has finds None: the comparison is exact, also in upper and lower case."""
    repository = make(call_with(recording_access_token=TOKEN))
    for token in _NEAR_TOKENS:
        expect_result(repository, None, "find_by_access_token", token)


def _no_token(make: Maker) -> None:
    """A call without a token is found by none."""
    repository = make(call_with(), call_with("s-2", recording_access_token=None))
    for token in _OF_NO_CALL:
        expect_result(repository, None, "find_by_access_token", token)


def _expired(make: Maker) -> None:
    """A link works until the moment of its expiry, and the call stays."""
    now = datetime.now(timezone.utc)
    for expires_at, when in [
        (now - DAY, "that expired a day ago"),
        (now - timedelta(seconds=1), "that expired a second ago"),
        ((now - timedelta(minutes=1)).astimezone(utc(14)), "that expired a minute ago, in the time zone UTC+14"),
    ]:
        repository = make(call_with(recording_access_token=TOKEN, recording_access_expires_at=expires_at))
        expect_closed(repository, TOKEN, when)
        expect_call(repository.find_by_session_id("s-1"), call_with(), "find_by_session_id() of an expired call")
    for later, when in [
        (None, "that has no expiry"),
        (now + timedelta(hours=1), "that expires in an hour"),
        ((now + timedelta(hours=1)).astimezone(utc(-12)), "that expires in an hour, in the time zone UTC-12"),
    ]:
        repository = make(call_with(recording_access_token=TOKEN, recording_access_expires_at=later))
        expect_open(repository, TOKEN, when)


def _revoked(make: Maker) -> None:
    """The link of a revoked call finds None, and the call stays."""
    repository = make(call_with(recording_access_token=TOKEN, recording_access_revoked=True))
    expect_closed(repository, TOKEN, "that is revoked")
    expect_call(repository.find_by_session_id("s-1"), call_with(), "find_by_session_id() of a revoked call")
    for value in (None, False):
        repository = make(call_with(recording_access_token=TOKEN, recording_access_revoked=value))
        expect_open(repository, TOKEN, f"whose recording_access_revoked is {value}")


def _link_states(make: Maker) -> None:
    """A repository with find_link() tells the state of each link."""
    later = datetime.now(timezone.utc) + DAY
    calls: dict[str, dict[str, Any]] = {
        "never minted": {},
        "open": {"recording_access_token": TOKEN, "recording_access_expires_at": later},
        "expired": {"recording_access_token": TOKEN, "recording_access_expires_at": later - 2 * DAY},
        "revoked": {"recording_access_revoked": True},
    }
    for state, fields in calls.items():
        repository = make(call_with("s-2", recording_access_token=f"{TOKEN}2"), call_with(**fields))
        if not repository.offers("find_link"):
            return
        for question in ({"session_id": "s-1"}, {"token": TOKEN}):
            if "token" in question and "recording_access_token" not in fields:
                continue
            link = repository.find_link(**question)
            seen = getattr(link, "state", None)
            expect(seen == state, f"{said('find_link', **question)} returned {shown(link)} for a link that is {state}.")
        for unknown in ({"session_id": "s-3"}, {"token": TOKEN[::-1]}):
            expect(repository.find_link(**unknown) is None, f"{said('find_link', **unknown)} did not return None.")


def _changes_nothing(make: Maker) -> None:
    """Finding a call changes nothing, and neither does changing what was found."""
    wanted = call_with(recording_access_token=TOKEN)
    for method, argument in [("find_by_session_id", "s-1"), ("find_by_access_token", TOKEN)]:
        ask, question = getattr(make(wanted), method), said(method, argument)
        expect_call(ask(argument), wanted, question)
        found = ask(argument)
        expect_call(found, wanted, f"{question}, asked once more,")
        if isinstance(found, dict):
            found |= dict.fromkeys(found, "changed")
        expect_call(ask(argument), wanted, f"{question}, after its last result was changed,")


def _many_threads_find(make: Maker) -> None:
    """Threads find calls at once, each its own."""
    repository = make(*[call_with(f"s-{n}", recording_access_token=f"{TOKEN}{n}") for n in range(8)])

    def find(n: int) -> list[object]:
        return [repository.find_by_session_id(f"s-{n}"), repository.find_by_access_token(f"{TOKEN}{n}")]

    for n, found in enumerate(at_once(find)):
        for call in found:
            expect_call(call, call_with(f"s-{n}"), f"one of eight threads that looked for s-{n}")


_FINDING: list[Check] = [_by_session_id, _by_token, _incomplete, _unknown_session, _unknown_token, _no_token]
_FINDING += [_expired, _revoked, _link_states, _changes_nothing, _many_threads_find]
