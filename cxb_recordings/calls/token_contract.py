"""What every repository does that also gives calls their tokens; see
:class:`~cxb_recordings.calls.repository.TokenStore`.

How a check fails is in ``contract``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from .contract import (
    DAY,
    NEAR_IDS,
    TOKEN,
    Broken,
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
    named,
    run,
    said,
    shown,
    utc,
)
from .tokens import is_well_formed

_OTHER = TOKEN[::-1]


def check_token_store(factory: RepositoryFactory) -> None:
    """Check that a repository gives and takes tokens as :class:`~cxb_recordings.TokenStore` says.

    Args:
        factory: as for :func:`check_call_repository`. What it returns has the methods of both protocols: the checks
            find calls by the tokens that they were given. Some checks call it from eight threads at once.

    Raises:
        AssertionError: at least one check failed; the message has one sentence for each.
    """
    run(_TOKENS, factory)


def _ensures(make: Maker) -> None:
    """ensure_token() mints a token that opens its call, once."""
    repository = make(call_with(), call_with("s-2"), call_with("s-3", recording_access_token=None))
    tokens = {name: repository.ensure_token(name) for name in ("s-1", "s-2", "s-3")}
    for name, token in tokens.items():
        wanted = "a string of 1 to 256 letters, digits and ._~-"
        expect(is_well_formed(token), f"{said('ensure_token', name)} returned {shown(token)}, not {wanted}.")
        expect_call(repository.find_by_access_token(token), call_with(name), "find_by_access_token() of a new token")
        again = repository.ensure_token(name)
        expect(again == token, f"{said('ensure_token', name)} returned another token the second time.")
    expect(len(set(tokens.values())) == 3, "ensure_token() returned the same token for two calls.")


def _unguessable(make: Maker) -> None:
    """A minted token can't be guessed: use mint_recording_access_token()."""
    tokens = [make(call_with()).ensure_token("s-1") for _ in range(2)]
    expect(tokens[0] != tokens[1], "ensure_token() derives the token from the call: the same call got it twice.")
    expect(len(str(tokens[0])) >= 22, f"ensure_token() returned {len(str(tokens[0]))} characters: 22 hold 128 bits.")


def _keeps(make: Maker) -> None:
    """ensure_token() keeps a token that the call has."""
    for token in (TOKEN, "legacy.token_1~-", "x" * 256):
        expect_result(make(call_with(recording_access_token=token)), token, "ensure_token", "s-1")


def _unknown_call(make: Maker) -> None:
    """A call that does not exist gets no token, and is not created."""
    repository = make(call_with(recording_access_token=TOKEN))
    soon = datetime.now(timezone.utc) + DAY
    for name in NEAR_IDS:
        for method, *more in (["ensure_token"], ["rotate"], ["revoke"], ["set_expiry", soon], ["set_expiry", None]):
            wanted = None if method in ("ensure_token", "rotate") else False
            expect_result(repository, wanted, str(method), name, *more)
        expect_result(repository, None, "find_by_session_id", name)
    expect_open(repository, TOKEN, "after changes that concerned no call")


def _ensures_at_once(make: Maker) -> None:
    """Threads that ensure a token at once end with one."""
    repository = make(*[call_with(f"s-{n}") for n in range(5)])
    for n in range(5):
        tokens = set(at_once(lambda _, name=f"s-{n}": repository.ensure_token(name)))  # type: ignore[misc]
        expect(len(tokens) == 1, f"Eight threads got {len(tokens)} tokens: write it only where none is.")
        expect_open(repository, tokens.pop(), "by the token that eight threads got")


def _rotates(make: Maker) -> None:
    """rotate() replaces the token, and removes expiry and revocation."""
    past = datetime.now(timezone.utc) - DAY
    for fields in ({}, {"recording_access_expires_at": past}, {"recording_access_revoked": True}):
        repository = make(
            call_with(recording_access_token=TOKEN, **fields), call_with("s-2", recording_access_token=_OTHER)
        )
        token, of = repository.rotate("s-1"), f"after rotate() of a call with {fields or 'a token'}"
        expect(is_well_formed(token) and token != TOKEN, f"rotate() returned {shown(token)}, not a new token.")
        expect_open(repository, token, f"by the new token {of}")
        expect_closed(repository, TOKEN, f"by the old token {of}")
        expect_result(repository, token, "ensure_token", "s-1")
        expect_open(repository, _OTHER, "by the token of another call after rotate()")


def _rotates_at_once(make: Maker) -> None:
    """Of threads that rotate a token at once, one wins."""
    repository = make(call_with(recording_access_token=TOKEN))
    tokens = at_once(lambda _: repository.rotate("s-1"))
    winners = [token for token in tokens if repository.opens(token)]
    expect(len(winners) == 1, f"{len(winners)} of eight tokens open the call.")
    expect_result(repository, winners[0], "ensure_token", "s-1")


def _revokes(make: Maker) -> None:
    """revoke() takes the token away until rotate()."""
    repository = make(call_with(recording_access_token=TOKEN), call_with("s-2", recording_access_token=_OTHER))
    for _ in range(2):
        expect_result(repository, True, "revoke", "s-1")
        expect_closed(repository, TOKEN, "by its token after revoke()")
        expect_result(repository, None, "ensure_token", "s-1")
    expect_call(repository.find_by_session_id("s-1"), call_with(), "find_by_session_id() after revoke()")
    expect_open(repository, _OTHER, "by the token of another call after revoke()")


def _revokes_at_once(make: Maker) -> None:
    """revoke() wins against threads that ensure a token at the same time."""
    repository = make(*[call_with(f"s-{n}") for n in range(5)])
    for name in [f"s-{n}" for n in range(5)]:
        asked = at_once(lambda n, name=name: repository.revoke(name) if n == 4 else repository.ensure_token(name))  # type: ignore[misc]
        for token in asked[:4] + asked[5:]:
            expect(token is None or not repository.opens(token), "A token that was minted meanwhile opens the call.")
        expect_result(repository, None, "ensure_token", name)


def _expires(make: Maker) -> None:
    """set_expiry() moves and removes the moment from which the link finds None."""
    now = datetime.now(timezone.utc)
    repository = make(call_with(recording_access_token=TOKEN), call_with("s-2"))
    for moment, is_open in [
        (now + DAY, True),
        (now - timedelta(seconds=1), False),
        ((now + timedelta(hours=1)).astimezone(utc(-12)), True),
        ((now - timedelta(minutes=1)).astimezone(utc(14)), False),
        (None, True),
        (None, True),
    ]:
        expect_result(repository, True, "set_expiry", "s-1", moment)
        expect = expect_open if is_open else expect_closed
        expect(repository, TOKEN, f"after set_expiry({'None' if moment is None else moment.isoformat()})")
        expect_result(repository, TOKEN, "ensure_token", "s-1")
    repository.set_expiry("s-2", now - DAY)
    expect_closed(repository, repository.ensure_token("s-2"), "by a token minted after an expiry in the past")


def _refuses_naive(make: Maker) -> None:
    """set_expiry() refuses what names no moment: call require_aware()."""
    repository = make(call_with(recording_access_token=TOKEN))
    for value, error in [(datetime(2000, 1, 1), ValueError), ("2000-01-01", TypeError), (0, TypeError)]:
        for name in ("s-1", "unknown"):
            try:
                repository.set_expiry(name, value)
            except Broken as exc:
                raised = exc.__cause__
            else:
                raised = None
            is_refused = isinstance(raised, error)
            expect(is_refused, f"{said('set_expiry', name, value)} raised {named(raised)}, not {named(error())}.")
    expect_open(repository, TOKEN, "after a refused set_expiry()")


def _lists(make: Maker) -> None:
    """sessions_without_token() lists, in ascending order, the calls that have no token and are not revoked."""
    others = [call_with("bb", recording_access_token=TOKEN), call_with("bc", recording_access_revoked=True)]
    others.append(call_with("bd", recording_access_token=_OTHER, recording_access_revoked=True))
    repository = make(*map(call_with, "dbac"), *others)
    expect_result(repository, list("abcd"), "sessions_without_token")
    expect_result(repository, list("abc"), "sessions_without_token", "", 3)
    expect_result(repository, ["d"], "sessions_without_token", "c", 3)
    expect_result(repository, [], "sessions_without_token", "d")
    repository.ensure_token("a")
    repository.revoke("b")
    expect_result(repository, ["c", "d"], "sessions_without_token")


_TOKENS: list[Check] = [_ensures, _unguessable, _keeps, _unknown_call, _ensures_at_once, _rotates, _rotates_at_once]
_TOKENS += [_revokes, _revokes_at_once, _expires, _refuses_naive, _lists]
