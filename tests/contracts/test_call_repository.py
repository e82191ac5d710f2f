"""What every call repository of this library does, as a finder of calls and as a store of their tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from cxb_recordings.calls.mongo import MongoCallRepository
from cxb_recordings.calls.repository import InMemoryCallRepository
from cxb_recordings.calls.tokens import is_well_formed

TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
NOW = datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=timezone.utc)
FOUND = {"session_id": "s-1", "recording_key": "2024/05/s-1.mp3", "recording_url": "https://storage.example/b/s-1.mp3"}

ODD_VALUES: list[Any] = [
    None,
    0,
    b"s-1",
    "",
    ["s-1"],
    [TOKEN],
    {},
    {"$ne": None},
    {"$gt": ""},
    {"$exists": False},
    {"$regex": ".*"},
    {"$in": [None, "s-1", TOKEN]},
    "s-1\0",
    TOKEN + "\0",
    "\udc80",
    "s-1\ud800",
    "s-1 ",
    "S-1",
    TOKEN.lower(),
    "x" * 10_240,
]


class Clock:
    """A clock that moves only when a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Subject:
    """A repository, how a call gets into it, and the clock that it judges by."""

    repository: InMemoryCallRepository | MongoCallRepository
    insert: Callable[[dict[str, Any]], object]
    clock: Clock

    def add(self, **fields: Any) -> None:
        self.insert(FOUND | fields)

    def opens(self, token: str | None) -> bool:
        return token is not None and self.repository.find_by_access_token(token) is not None


@pytest.fixture(params=["memory", "mongo"])
def calls(request: pytest.FixtureRequest) -> Subject:
    clock = Clock()
    if request.param == "memory":
        memory = InMemoryCallRepository(clock=clock)
        return Subject(memory, memory.add, clock)
    collection = request.getfixturevalue("mongo_collection")
    mongo = MongoCallRepository(collection, clock=clock)
    mongo.ensure_indexes()
    return Subject(mongo, lambda call: collection.insert_one(dict(call)), clock)


def test_a_call_is_found_by_its_session_id(calls: Subject) -> None:
    calls.add()
    calls.add(session_id="s-2", recording_key="other.mp3")

    call = calls.repository.find_by_session_id("s-1")

    assert call is not None
    assert {field: call[field] for field in FOUND} == FOUND


def test_a_call_is_found_by_its_access_token(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)
    calls.add(session_id="s-2", recording_access_token="another")

    call = calls.repository.find_by_access_token(TOKEN)

    assert call is not None
    assert {field: call[field] for field in FOUND} == FOUND


def test_a_call_with_a_key_only_or_a_url_only_is_found_with_what_it_has(calls: Subject) -> None:
    calls.insert({"session_id": "key", "recording_key": "a.mp3"})
    calls.insert({"session_id": "url", "recording_url": None})

    assert calls.repository.find_by_session_id("key") == {"session_id": "key", "recording_key": "a.mp3"}
    assert calls.repository.find_by_session_id("url") == {"session_id": "url", "recording_url": None}


@pytest.mark.parametrize("session_id", ["ümläut", "a/b?c#d%20", "a b", "$ne", "x" * 10_240, "a\0b", "😀"])
def test_a_session_id_may_be_any_text(calls: Subject, session_id: str) -> None:
    calls.add(session_id=session_id)

    assert (calls.repository.find_by_session_id(session_id) or {})["session_id"] == session_id
    assert calls.opens(calls.repository.ensure_token(session_id))


@pytest.mark.parametrize("token", ["x", "...", "legacy.token_1~-", "x" * 256])
def test_a_token_that_others_minted_opens_its_call(calls: Subject, token: str) -> None:
    calls.add(recording_access_token=token)

    assert calls.opens(token)
    assert calls.repository.ensure_token("s-1") == token


@pytest.mark.parametrize("token", ["", ".", "..", "a/b", "a b", "é", "a\n", "x" * 257])
def test_a_malformed_token_opens_nothing_though_it_is_stored(calls: Subject, token: str) -> None:
    calls.add(recording_access_token=token)

    assert not calls.opens(token)
    minted = calls.repository.ensure_token("s-1")
    assert minted != token
    assert calls.opens(minted)


def test_odd_values_never_find_a_call(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)
    calls.insert({"session_id": "without token"})
    calls.insert({"session_id": "null token", "recording_access_token": None})
    calls.insert({"session_id": "empty token", "recording_access_token": ""})

    for value in ODD_VALUES:
        assert calls.repository.find_by_session_id(value) is None, repr(value)
        assert calls.repository.find_by_access_token(value) is None, repr(value)


def test_odd_values_change_no_token(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)

    for value in ODD_VALUES:
        assert calls.repository.ensure_token(value) is None, repr(value)
        assert calls.repository.rotate(value) is None, repr(value)
        assert calls.repository.revoke(value) is False, repr(value)
        assert calls.repository.set_expiry(value, NOW) is False, repr(value)
    assert calls.opens(TOKEN)


def test_an_unknown_call_has_no_token_and_gets_none(calls: Subject) -> None:
    calls.add()

    assert calls.repository.ensure_token("unknown") is None
    assert calls.repository.rotate("unknown") is None
    assert calls.repository.revoke("unknown") is False
    assert calls.repository.set_expiry("unknown", NOW) is False
    assert calls.repository.set_expiry("unknown", None) is False
    assert calls.repository.find_by_session_id("unknown") is None


def test_a_call_without_a_token_gets_one_that_stays(calls: Subject) -> None:
    calls.add()
    calls.add(session_id="s-2")

    token = calls.repository.ensure_token("s-1")

    assert is_well_formed(token)
    assert calls.repository.ensure_token("s-1") == token
    assert calls.repository.ensure_token("s-2") not in (None, token)
    assert (calls.repository.find_by_access_token(token) or {})["session_id"] == "s-1"


@pytest.mark.parametrize("value", [None, "", 7, ["x"], {"$ne": None}])
def test_a_call_whose_token_is_none_of_the_kind_gets_one(calls: Subject, value: object) -> None:
    calls.add(recording_access_token=value)

    token = calls.repository.ensure_token("s-1")

    assert calls.opens(token)
    assert calls.repository.ensure_token("s-1") == token


def test_eight_threads_that_ensure_a_token_at_once_end_with_one(calls: Subject) -> None:
    together = threading.Barrier(8, timeout=30)

    def ensure(session_id: str) -> str | None:
        together.wait()
        return calls.repository.ensure_token(session_id)

    with ThreadPoolExecutor(8) as threads:
        for number in range(20):
            calls.add(session_id=f"s-{number}")
            tokens = set(threads.map(ensure, [f"s-{number}"] * 8))

            assert len(tokens) == 1
            assert calls.opens(tokens.pop())


def test_a_rotated_call_opens_with_the_new_token_only(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)

    token = calls.repository.rotate("s-1")

    assert is_well_formed(token)
    assert calls.opens(token)
    assert not calls.opens(TOKEN)
    assert calls.repository.ensure_token("s-1") == token


def test_of_threads_that_rotate_at_once_one_wins(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)

    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(calls.repository.rotate, ["s-1"] * 8))

    assert [token for token in tokens if calls.opens(token)] == [calls.repository.ensure_token("s-1")]


def test_a_revoked_call_stays_without_a_token_until_it_is_rotated(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)

    assert calls.repository.revoke("s-1") is True
    assert not calls.opens(TOKEN)
    assert calls.repository.ensure_token("s-1") is None
    assert calls.repository.revoke("s-1") is True
    assert calls.repository.find_by_session_id("s-1") is not None

    token = calls.repository.rotate("s-1")
    assert token != TOKEN
    assert calls.opens(token)
    assert not calls.opens(TOKEN)
    assert calls.repository.ensure_token("s-1") == token


def test_a_token_that_is_written_into_a_revoked_call_opens_nothing(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN, recording_access_revoked=True)

    assert not calls.opens(TOKEN)
    assert calls.repository.ensure_token("s-1") is None


@pytest.mark.parametrize("value", [None, False])
def test_a_call_that_is_marked_as_not_revoked_opens(calls: Subject, value: object) -> None:
    calls.add(recording_access_token=TOKEN, recording_access_revoked=value, recording_access_expires_at=None)

    assert calls.opens(TOKEN)
    assert calls.repository.ensure_token("s-1") == TOKEN


def test_revoking_never_loses_against_workers_that_ensure_a_token(calls: Subject) -> None:
    with ThreadPoolExecutor(4) as threads:
        for number in range(20):
            session_id = f"s-{number}"
            calls.add(session_id=session_id)
            ensured = [threads.submit(calls.repository.ensure_token, session_id) for _ in range(3)]
            assert threads.submit(calls.repository.revoke, session_id).result() is True

            assert not any(calls.opens(future.result()) for future in ensured)
            assert calls.repository.ensure_token(session_id) is None


def test_a_token_opens_until_the_moment_of_its_expiry(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)

    assert calls.repository.set_expiry("s-1", NOW + timedelta(days=30)) is True
    assert calls.opens(TOKEN)

    calls.clock.now = NOW + timedelta(days=30) - timedelta(milliseconds=1)
    assert calls.opens(TOKEN)
    calls.clock.now = NOW + timedelta(days=30)
    assert not calls.opens(TOKEN)
    calls.clock.now = NOW + timedelta(days=365)
    assert not calls.opens(TOKEN)


def test_an_expired_token_is_still_the_token_of_its_call(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)
    calls.repository.set_expiry("s-1", NOW - timedelta(days=1))

    assert not calls.opens(TOKEN)
    assert calls.repository.ensure_token("s-1") == TOKEN
    assert calls.repository.find_by_session_id("s-1") is not None


def test_an_expired_token_opens_again_when_the_expiry_is_moved_or_removed(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)
    calls.repository.set_expiry("s-1", NOW)
    assert not calls.opens(TOKEN)

    assert calls.repository.set_expiry("s-1", NOW + timedelta(seconds=1)) is True
    assert calls.opens(TOKEN)

    calls.repository.set_expiry("s-1", NOW)
    assert calls.repository.set_expiry("s-1", None) is True
    assert calls.opens(TOKEN)
    assert calls.repository.set_expiry("s-1", None) is True


def test_an_expiry_in_another_time_zone_names_the_same_moment(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)
    new_york = timezone(timedelta(hours=-5))

    calls.repository.set_expiry("s-1", (NOW + timedelta(seconds=1)).astimezone(new_york))
    assert calls.opens(TOKEN)
    calls.repository.set_expiry("s-1", (NOW - timedelta(seconds=1)).astimezone(new_york))
    assert not calls.opens(TOKEN)


def test_a_rotated_token_has_no_expiry(calls: Subject) -> None:
    calls.add(recording_access_token=TOKEN)
    calls.repository.set_expiry("s-1", NOW)

    assert calls.opens(calls.repository.rotate("s-1"))


def test_an_expiry_that_is_set_before_there_is_a_token_holds_for_it(calls: Subject) -> None:
    calls.add()
    calls.repository.set_expiry("s-1", NOW)

    token = calls.repository.ensure_token("s-1")

    assert token is not None
    assert not calls.opens(token)


@pytest.mark.parametrize("session_id", ["s-1", "unknown", None])
def test_a_naive_expiry_is_refused(calls: Subject, session_id: Any) -> None:
    calls.add(recording_access_token=TOKEN)

    with pytest.raises(ValueError, match="expires_at: an aware datetime is needed"):
        calls.repository.set_expiry(session_id, NOW.replace(tzinfo=None) - timedelta(days=1))
    assert calls.opens(TOKEN)


@pytest.mark.parametrize("expires_at", ["2099-01-01", 4_102_444_800, True, {"$gt": 0}])
def test_an_expiry_that_is_no_moment_closes_the_link(calls: Subject, expires_at: object) -> None:
    calls.add(recording_access_token=TOKEN, recording_access_expires_at=expires_at)

    assert not calls.opens(TOKEN)
    assert calls.repository.set_expiry("s-1", None) is True
    assert calls.opens(TOKEN)
