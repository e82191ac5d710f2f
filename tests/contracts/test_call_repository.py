"""What every call repository of this library does: the contract that hosts' repositories have too, and more of its own.

A clock that stands still, values that no host's database may be able to hold, and questions that no route asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from cxb_recordings.calls.mongo import MongoCallRepository
from cxb_recordings.calls.repository import InMemoryCallRepository, Link
from cxb_recordings.testing import check_call_repository, check_token_store

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


@pytest.mark.parametrize("check", [check_call_repository, check_token_store], ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", ["memory", "mongo"])
def test_a_repository_of_the_library_passes_the_checks_for_hosts(
    request: pytest.FixtureRequest, check: Callable[..., None], kind: str
) -> None:
    collection = request.getfixturevalue("mongo_collection") if kind == "mongo" else None

    def make(calls: Sequence[Mapping[str, Any]]) -> InMemoryCallRepository | MongoCallRepository:
        if collection is None:
            return InMemoryCallRepository(calls)
        collection.delete_many({})
        collection.insert_many([dict(call) for call in calls])
        repository = MongoCallRepository(collection)
        repository.ensure_indexes()
        return repository

    check(make)


@pytest.mark.parametrize("session_id", ["$ne", "x" * 10_240, "a\0b", "😀"])
def test_a_session_id_may_be_any_text(calls: Subject, session_id: str) -> None:
    calls.add(session_id=session_id)

    assert (calls.repository.find_by_session_id(session_id) or {})["session_id"] == session_id
    assert calls.opens(calls.repository.ensure_token(session_id))


@pytest.mark.parametrize("token", ["", ".", "..", "a/b", "a b", "é", "a\n", "x" * 257])
def test_a_malformed_token_finds_no_call_though_it_is_stored(calls: Subject, token: str) -> None:
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


@pytest.mark.parametrize("value", [None, "", 7, ["x"], {"$ne": None}])
def test_a_call_whose_token_is_none_of_the_kind_gets_one(calls: Subject, value: object) -> None:
    calls.add(recording_access_token=value)

    token = calls.repository.ensure_token("s-1")

    assert calls.opens(token)
    assert calls.repository.ensure_token("s-1") == token


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


@pytest.mark.parametrize("expires_at", ["2099-01-01", 4_102_444_800, True, {"$gt": 0}])
def test_an_expiry_that_is_no_moment_closes_the_link(calls: Subject, expires_at: object) -> None:
    calls.add(recording_access_token=TOKEN, recording_access_expires_at=expires_at)

    assert not calls.opens(TOKEN)
    assert calls.repository.set_expiry("s-1", None) is True
    assert calls.opens(TOKEN)


def test_calls_whose_token_is_none_of_the_kind_are_listed_for_backfilling(calls: Subject) -> None:
    calls.insert({"session_id": "odd", "recording_access_token": "no token\n"})
    calls.insert({"session_id": "number", "recording_access_token": 7})
    calls.add(recording_access_token=TOKEN)

    assert calls.repository.sessions_without_token() == ["number", "odd"]


def test_a_repository_that_mistakes_the_state_of_links_is_told_so() -> None:
    class CallsEveryLinkOpen(InMemoryCallRepository):
        def find_link(self, *, session_id: str | None = None, token: str | None = None) -> Link | None:
            return super().find_link(session_id=session_id, token=token) and Link("open")

    with pytest.raises(AssertionError, match=r"returned Link.* for a link that is never minted"):
        check_call_repository(CallsEveryLinkOpen)
