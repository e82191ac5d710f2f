"""A database that is away is told within seconds, and serves again when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import Any

import pytest
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection

from cxb_recordings.calls.mongo import MongoCallRepository, MongoSettingsProvider
from cxb_recordings.errors import RepositoryUnavailable
from tests.servers import free_port
from tests.servers.mongod import Mongod, MongodFactory

CALL = {"session_id": "s-1", "recording_key": "s-1.mp3", "recording_url": "https://storage.example/s-1.mp3"}
EXPIRY = datetime(2024, 5, 1, tzinfo=timezone.utc)
TIMEOUT = 0.5  # seconds, for questions that are to fail
PATIENCE = 60.0  # seconds, for questions that must be answered

# The driver's own patience is 30 s; half of it is room for a busy machine.
SECONDS = 15.0

Calls = Collection[dict[str, Any]]


@pytest.fixture
def server(own_mongod: MongodFactory) -> Mongod:
    return own_mongod()


@pytest.fixture
def calls(server: Mongod) -> Iterator[Calls]:
    with server.client() as client:
        calls = client.get_database("tests", write_concern=WriteConcern(w=1, j=True))["calls"]
        calls.insert_one(dict(CALL))
        yield calls


def questions(calls: Calls) -> dict[str, Callable[[], object]]:
    repository = MongoCallRepository(calls, timeout=TIMEOUT)
    return {
        "find_by_session_id": lambda: repository.find_by_session_id("s-1"),
        "find_by_access_token": lambda: repository.find_by_access_token("token"),
        "ensure_token": lambda: repository.ensure_token("s-1"),
        "rotate": lambda: repository.rotate("s-1"),
        "revoke": lambda: repository.revoke("s-1"),
        "set_expiry": lambda: repository.set_expiry("s-1", EXPIRY),
        "ensure_indexes": repository.ensure_indexes,
        "settings": MongoSettingsProvider(calls, {}, timeout=TIMEOUT),
    }


def fails_within_seconds(question: Callable[[], object]) -> None:
    began = time.monotonic()
    with pytest.raises(RepositoryUnavailable, match="MongoDB: "):
        question()
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("away", ["paused", "killed"])
def test_every_question_to_a_database_that_is_away_fails_within_seconds(
    server: Mongod, calls: Calls, away: str
) -> None:
    absence: AbstractContextManager[None] = getattr(server.daemon, away)()

    with absence:
        for question in questions(calls).values():
            fails_within_seconds(question)

    repository = MongoCallRepository(calls, timeout=PATIENCE)
    assert repository.find_by_session_id("s-1") == CALL
    token = repository.rotate("s-1")
    assert token is not None
    assert repository.find_by_access_token(token) == CALL


@pytest.mark.full
def test_a_client_that_never_reached_its_database_fails_within_seconds() -> None:
    client: MongoClient[dict[str, Any]] = MongoClient("127.0.0.1", free_port())
    with client:
        for question in questions(client["tests"]["calls"]).values():
            fails_within_seconds(question)


@pytest.mark.parametrize("away", ["paused", "killed"])
def test_the_default_deadline_is_well_below_the_patience_of_the_driver(server: Mongod, calls: Calls, away: str) -> None:
    repository = MongoCallRepository(calls)
    assert repository.find_by_session_id("s-1") == CALL  # over a connection that is kept

    with getattr(server.daemon, away)():
        fails_within_seconds(lambda: repository.find_by_session_id("s-1"))


@pytest.mark.parametrize("replica_set", [False, True])
def test_a_question_is_answered_when_the_database_comes_back_in_time(
    own_mongod: MongodFactory, replica_set: bool
) -> None:
    server = own_mongod(replica_set=replica_set)
    with server.client() as client, ThreadPoolExecutor(2) as threads:
        calls = client.get_database("tests", write_concern=WriteConcern(w=1, j=True))["calls"]
        calls.insert_one(dict(CALL))
        repository = MongoCallRepository(calls, timeout=PATIENCE)
        token = repository.ensure_token("s-1")
        assert token is not None

        with server.daemon.killed():
            found = threads.submit(repository.find_by_access_token, token)
            ensured = threads.submit(repository.ensure_token, "s-1")

        assert found.result() == CALL
        assert ensured.result() == token


def test_settings_are_remembered_while_the_database_is_away_but_not_for_longer(server: Mongod, calls: Calls) -> None:
    clock = [0.0]
    provider = MongoSettingsProvider(calls, {}, cache_seconds=5, timeout=TIMEOUT, clock=lambda: clock[0])
    assert provider() == CALL

    with server.daemon.killed():
        clock[0] = 4.9
        assert provider() == CALL
        clock[0] = 5.0
        fails_within_seconds(provider)
        clock[0] = 5.1
        fails_within_seconds(provider)

    assert MongoSettingsProvider(calls, {}, timeout=PATIENCE)() == CALL


def test_threads_that_need_settings_do_not_wait_for_each_other_while_the_database_is_away(
    server: Mongod, calls: Calls
) -> None:
    provider = MongoSettingsProvider(calls, {}, timeout=2)

    with server.daemon.paused(), ThreadPoolExecutor(16) as threads:
        began = time.monotonic()
        for answer in [threads.submit(provider) for _ in range(16)]:
            with pytest.raises(RepositoryUnavailable):
                answer.result()
        assert time.monotonic() - began < SECONDS  # one after the other, they would need 32
