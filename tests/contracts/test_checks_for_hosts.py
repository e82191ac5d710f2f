"""What the checks for hosts' repositories say of repositories with one fault each: a sentence that names it."""

from __future__ import annotations

import threading
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import pytest

from cxb_recordings.calls.repository import Call, InMemoryCallRepository
from cxb_recordings.testing import check_call_repository, check_token_store

Row = namedtuple("Row", ["session_id", "recording_key", "recording_url"])


class Base(InMemoryCallRepository):
    """The repository in memory, with a lock that serves two steps of a method."""

    def __init__(self, calls: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(calls)
        self._lock = threading.RLock()  # type: ignore[assignment]

    def stored(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """The first call of its kind: itself, and not a copy."""
        return next((call for call in self._calls.values() if wanted(call)), None)


class FoldsTokens(Base):
    def find_by_access_token(self, token: str) -> Call | None:
        found = self.stored(lambda call: str(call.get("recording_access_token")).lower() == token.lower())
        return found if found is None else super().find_by_access_token(found["recording_access_token"])


class FoldsSessionIds(Base):
    def find_by_session_id(self, session_id: str) -> Call | None:
        return self.stored(lambda call: call["session_id"].lower() == session_id.lower())


class TakesWildcards(Base):
    def find_by_session_id(self, session_id: str) -> Call | None:
        return super().find_by_session_id(session_id.replace("s_1", "s-1"))


class ReadsNoneAsText(Base):
    def find_by_access_token(self, token: str) -> Call | None:
        return self.stored(lambda call: str(call.get("recording_access_token")) == token)


class IgnoresExpiry(Base):
    def _is_open(self, call: Call) -> bool:
        return super()._is_open({**call, "recording_access_expires_at": None})


class DropsTimeZones(Base):
    def _is_open(self, call: Call) -> bool:
        expires_at = call.get("recording_access_expires_at")
        return super()._is_open(
            {**call, "recording_access_expires_at": expires_at and expires_at.replace(tzinfo=timezone.utc)}
        )


class HidesWhatExpired(Base):
    def find_by_session_id(self, session_id: str) -> Call | None:
        call = super().find_by_session_id(session_id)
        return call if call is not None and self._is_open(call) else None


class IgnoresRevocation(Base):
    def _is_open(self, call: Call) -> bool:
        return super()._is_open({**call, "recording_access_revoked": None})


class ReturnsRows(Base):
    def find_by_session_id(self, session_id: str) -> Any:
        call = super().find_by_session_id(session_id)
        return call and Row(session_id, call.get("recording_key"), call.get("recording_url"))


class LeavesOutTheKey(Base):
    def find_by_access_token(self, token: str) -> Call | None:
        call = super().find_by_access_token(token)
        return call and {"session_id": call["session_id"], "recording_url": call["recording_url"]}


class RaisesForUnknownCalls(Base):
    def find_by_session_id(self, session_id: str) -> Call | None:
        return dict(self._calls[session_id])


class RefusesNul(Base):
    def find_by_session_id(self, session_id: str) -> Call | None:
        if "\0" in session_id:
            raise ValueError("A string literal cannot contain NUL (0x00) characters.\nand more")
        return super().find_by_session_id(session_id)


class ReturnsFalse(Base):
    def find_by_session_id(self, session_id: str) -> Any:
        return super().find_by_session_id(session_id) or False


class GivesItsOwnDict(Base):
    def find_by_session_id(self, session_id: str) -> Call | None:
        return self._calls.get(session_id)


class OpensOnce(Base):
    def find_by_access_token(self, token: str) -> Call | None:
        call = super().find_by_access_token(token)
        if call is not None:
            self._calls[call["session_id"]].pop("recording_access_token")
        return call


class FindsTheFirst(Base):
    def find_by_session_id(self, session_id: str) -> Call | None:
        return self._calls.get(session_id) and next(iter(self._calls.values()))


class BelongsToOneThread(Base):
    def __init__(self, calls: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(calls)
        self._thread = threading.get_ident()

    def find_by_access_token(self, token: str) -> Call | None:
        if threading.get_ident() != self._thread:
            raise RuntimeError("objects created in a thread can only be used in that same thread")
        return super().find_by_access_token(token)


class NeedsUrls(Base):
    def __init__(self, calls: Sequence[Mapping[str, Any]]) -> None:
        super().__init__([{**call, "recording_url": call["recording_url"]} for call in calls])


class FindsOnlyByToken:
    find_by_access_token = InMemoryCallRepository.find_by_access_token

    def __init__(self, calls: Sequence[Mapping[str, Any]]) -> None:
        self.calls = calls


FINDING: list[tuple[type, str]] = [
    (FoldsTokens, "also in upper and lower case. find_by_access_token('DgHLihrVA"),
    (FoldsSessionIds, "the comparison is exact. find_by_session_id('S-1') returned {'recording_key'"),
    (TakesWildcards, "find_by_session_id('s_1') returned"),
    (ReadsNoneAsText, "A call without a token is found by none. find_by_access_token('None') returned"),
    (IgnoresExpiry, "found a call that expired a day ago."),
    (DropsTimeZones, "found a call that expired a minute ago, in the time zone UTC+14."),
    (HidesWhatExpired, "find_by_session_id() of an expired call returned None."),
    (
        IgnoresRevocation,
        "The link of a revoked call finds None, and the call stays. find_by_access_token() found",
    ),
    (ReturnsRows, "find_by_session_id('s-1') returned a Row: return a mapping, such as a dict."),
    (LeavesOutTheKey, "returned the recording_key None, not '2024/05/s-0.mp3'."),
    (RaisesForUnknownCalls, "find_by_session_id('unknown') raised KeyError: 'unknown'"),
    (
        RefusesNul,
        r"('s-1\x00') raised ValueError: A string literal cannot contain NUL (0x00) characters.",
    ),
    (ReturnsFalse, "find_by_session_id('unknown') returned False, not None."),
    (
        GivesItsOwnDict,
        "after its last result was changed, returned the session_id 'changed', not 's-1'.",
    ),
    (OpensOnce, "find_by_access_token('dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM'), asked once more, returned None."),
    (FindsTheFirst, "find_by_session_id('s-2') returned the session_id 's-1', not 's-2'."),
    (BelongsToOneThread, "raised RuntimeError: objects created in a thread can only be used in that same thread"),
    (
        NeedsUrls,
        "a URL is found with what it has. The factory raised KeyError: 'recording_url'",
    ),
    (FindsOnlyByToken, "FindsOnlyByToken has no method find_by_session_id()."),
]


class MintsEachTime(Base):
    def ensure_token(self, session_id: str) -> str | None:
        call = self.find_by_session_id(session_id)
        return None if call is None or call.get("recording_access_revoked") else self.rotate(session_id)


class MintsWithoutStoring(Base):
    def ensure_token(self, session_id: str) -> str | None:
        with self._lock:
            before = {name: dict(call) for name, call in self._calls.items()}
            token = super().ensure_token(session_id)
            self._calls = before
            return token


class DerivesTokens(Base):
    def ensure_token(self, session_id: str) -> str | None:
        call = self._calls.get(session_id, {})
        if session_id in self._calls and not call.get("recording_access_revoked"):
            call["recording_access_token"] = call.get("recording_access_token") or session_id.encode().hex().zfill(43)
        return super().ensure_token(session_id)


class ReadsThenWrites(Base):
    def __init__(self, calls: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(calls)
        self._together = threading.Barrier(8, timeout=0.05)

    def ensure_token(self, session_id: str) -> str | None:
        call = self._calls.get(session_id)
        if call is None or call.get("recording_access_revoked"):
            return None
        if (token := call.get("recording_access_token")) is None:
            self.wait()
            token = self.rotate(session_id)
        return token

    def wait(self) -> None:
        with suppress(threading.BrokenBarrierError):
            self._together.wait()


class CreatesCalls(Base):
    def ensure_token(self, session_id: str) -> str | None:
        if session_id not in self._calls and session_id:
            self.add({"session_id": session_id})
        return super().ensure_token(session_id)


class GivesTokensToRevokedCalls(Base):
    def ensure_token(self, session_id: str) -> str | None:
        self._calls.get(session_id, {}).pop("recording_access_revoked", None)
        return super().ensure_token(session_id)


class RevokesAsNone(Base):
    def revoke(self, session_id: str) -> Any:
        super().revoke(session_id)


class RevokesAll(Base):
    def revoke(self, session_id: str) -> bool:
        for other in self._calls:
            super().revoke(other)
        return session_id in self._calls


class KeepsExpiryOnRotation(Base):
    def rotate(self, session_id: str) -> str | None:
        expires_at = self._calls.get(session_id, {}).get("recording_access_expires_at")
        token = super().rotate(session_id)
        if token and expires_at:
            self._calls[session_id]["recording_access_expires_at"] = expires_at
        return token


class KeepsOldLinks(Base):
    def find_by_access_token(self, token: str) -> Call | None:
        old = self.stored(lambda call: call.get("old") == token)
        return dict(old) if old else super().find_by_access_token(token)

    def rotate(self, session_id: str) -> str | None:
        old = self._calls.get(session_id, {}).get("recording_access_token")
        token = super().rotate(session_id)
        if token:
            self._calls[session_id]["old"] = old
        return token


class TakesNaiveExpiry(Base):
    def set_expiry(self, session_id: str, expires_at: Any) -> bool:
        is_naive = isinstance(expires_at, datetime) and expires_at.tzinfo is None
        return super().set_expiry(session_id, expires_at.replace(tzinfo=timezone.utc) if is_naive else expires_at)


class NeverRemovesExpiry(Base):
    def set_expiry(self, session_id: str, expires_at: datetime | None) -> bool:
        return super().set_expiry(session_id, expires_at) if expires_at else session_id in self._calls


class ListsRevokedCalls(Base):
    def sessions_without_token(self, after: str = "", limit: int = 1000) -> list[str]:
        return sorted(
            name for name, call in self._calls.items() if name > after and not call.get("recording_access_token")
        )[:limit]


class ListsFromTheId(Base):
    def sessions_without_token(self, after: str = "", limit: int = 1000) -> list[str]:
        found = super().sessions_without_token("", 10_000)
        return [name for name in found if name >= after][:limit]


class HasNoTokens:
    def __init__(self, calls: Sequence[Mapping[str, Any]]) -> None:
        self.find_by_access_token = InMemoryCallRepository(calls).find_by_access_token
        self.find_by_session_id = InMemoryCallRepository(calls).find_by_session_id


TOKENS: list[tuple[type, str]] = [
    (MintsEachTime, "ensure_token('s-1') returned another token the second time."),
    (MintsWithoutStoring, "find_by_access_token() of a new token returned None."),
    (DerivesTokens, "ensure_token() derives the token from the call: the same call got it twice."),
    (ReadsThenWrites, "Eight threads got 8 tokens: write it only where none is."),
    (CreatesCalls, "A call that does not exist gets no token, and is not created. ensure_token('unknown') returned"),
    (GivesTokensToRevokedCalls, "revoke() takes the token away until rotate(). ensure_token('s-1') returned"),
    (RevokesAsNone, "revoke('s-1') returned None, not True."),
    (RevokesAll, "found no call by the token of another call after revoke()."),
    (
        KeepsExpiryOnRotation,
        "no call by the new token after rotate() of a call with {'recording_access_expires_at'",
    ),
    (KeepsOldLinks, "found a call by the old token after rotate() of a call with a token."),
    (TakesNaiveExpiry, "set_expiry('s-1', datetime.datetime(2000, 1, 1, 0, 0)) raised nothing, not a ValueError."),
    (NeverRemovesExpiry, "found no call after set_expiry(None)."),
    (ListsRevokedCalls, "sessions_without_token() returned ['a', 'b', 'bc', 'c', 'd'], not ['a', 'b', 'c', 'd']."),
    (ListsFromTheId, "sessions_without_token('c', 3) returned ['c', 'd'], not ['d']."),
    (HasNoTokens, "HasNoTokens has no method ensure_token()."),
]


@pytest.mark.parametrize(("broken", "sentence"), FINDING, ids=lambda value: getattr(value, "__name__", ""))
def test_a_repository_that_finds_wrongly_is_told_what_is_wrong(broken: type, sentence: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_call_repository(broken)

    assert sentence in str(caught.value)
    assert all(line.startswith("- ") for line in str(caught.value).splitlines()[1:])


@pytest.mark.parametrize(("broken", "sentence"), TOKENS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_token_store_that_errs_is_told_what_is_wrong(broken: type, sentence: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_token_store(broken)

    assert sentence in str(caught.value)


def test_every_check_that_fails_has_its_line_and_the_first_exception_is_the_cause() -> None:
    with pytest.raises(AssertionError) as caught:
        check_call_repository(RaisesForUnknownCalls)

    first, *rest = str(caught.value).splitlines()
    assert first == f"{len(rest)} of 11 checks failed:"
    assert isinstance(caught.value.__cause__, KeyError)
