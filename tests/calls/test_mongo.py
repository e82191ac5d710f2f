"""MongoDB as the home of calls and settings: what is asked of it, by which index, and how its refusals are told."""

from __future__ import annotations

import threading
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import bson
import pymongo
import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from cxb_recordings.calls import mongo
from cxb_recordings.calls.mongo import MongoCallRepository, MongoSettingsProvider
from cxb_recordings.errors import RepositoryUnavailable, SettingsError

TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
NOW = datetime(2024, 5, 1, 10, 0, tzinfo=timezone.utc)
CALL = {"session_id": "s-1", "recording_key": "2024/05/s-1.mp3", "recording_url": "https://storage.example/s-1.mp3"}
SETTINGS = {
    "minio": {"endpoint": "storage.example", "bucket": "recordings"},
    "cxbcore_fleet": ["https://fleet.example"],
}

Calls = Collection[dict[str, Any]]


@pytest.fixture
def profiled(mongo_client: MongoClient[dict[str, Any]]) -> Iterator[Calls]:
    """A collection in a database of its own, whose profiler writes down every question."""
    database = mongo_client[f"profiled_{uuid.uuid4().hex}"]
    yield database["calls"]
    mongo_client.drop_database(database)


def ask_profiled(calls: Calls, *questions: Any) -> list[dict[str, Any]]:
    """What the profiler wrote down for each question, in order."""
    calls.database.command("profile", 2)
    for question in questions:
        question()
    calls.database.command("profile", 0)
    return list(calls.database["system.profile"].find({"ns": calls.full_name}).sort("$natural"))


def fill(calls: Calls) -> None:
    """A thousand calls, with and without tokens, besides the one that is looked for."""
    others = [{"session_id": f"other-{number}"} for number in range(500)]
    others += [{"session_id": f"token-{number}", "recording_access_token": f"token-{number}"} for number in range(500)]
    calls.insert_many(others)
    calls.insert_one(CALL | {"recording_access_token": TOKEN, "agent": "someone", "transcript": "private"})


def test_the_finds_ask_for_four_fields_and_no_others(mongo_collection: Calls) -> None:
    fill(mongo_collection)
    repository = MongoCallRepository(mongo_collection)

    assert repository.find_by_session_id("s-1") == CALL
    assert repository.find_by_access_token(TOKEN) == CALL


def test_the_finds_are_one_question_each_that_an_index_answers(profiled: Calls) -> None:
    fill(profiled)
    repository = MongoCallRepository(profiled)
    repository.ensure_indexes()

    asked = ask_profiled(
        profiled,
        lambda: repository.find_by_session_id("s-1"),
        lambda: repository.find_by_session_id("unknown"),
        lambda: repository.find_by_access_token(TOKEN),
        lambda: repository.find_by_access_token("unknown"),
    )

    four = {"_id": False, "recording_key": True, "recording_url": True, "recording_filename": True, "session_id": True}
    assert [entry["command"]["projection"] for entry in asked] == [four] * 4
    assert [entry["docsExamined"] for entry in asked] == [1, 0, 1, 0]
    indexes = ["session_id", "session_id", "recording_access_token", "recording_access_token"]
    assert [entry["planSummary"] for entry in asked] == [f"IXSCAN {{ {field}: 1 }}" for field in indexes]


def test_unknown_revoked_and_expired_tokens_are_the_same_question(profiled: Calls) -> None:
    repository = MongoCallRepository(profiled, clock=lambda: NOW)
    profiled.insert_many(
        [
            {"session_id": "revoked", "recording_access_token": "revoked"},
            {"session_id": "expired", "recording_access_token": "expired"},
            {"session_id": "marked", "recording_access_token": "marked", "recording_access_revoked": True},
        ]
    )
    repository.revoke("revoked")
    repository.set_expiry("expired", NOW)
    tokens = ["unknown", "revoked", "expired", "marked"]

    asked = ask_profiled(profiled, *[lambda token=token: repository.find_by_access_token(token) for token in tokens])

    assert [entry["command"]["filter"].pop("recording_access_token") for entry in asked] == tokens
    assert [entry["nreturned"] for entry in asked] == [0, 0, 0, 0]
    for entry in asked:
        assert entry["command"]["filter"] == asked[0]["command"]["filter"]
        assert entry["command"]["projection"] == asked[0]["command"]["projection"]


def test_what_is_no_token_and_no_session_id_never_reaches_the_database(profiled: Calls) -> None:
    repository = MongoCallRepository(profiled)
    odd: list[Any] = [None, 1, "", ["x"], {"$ne": None}, "\udc80"]

    asked = ask_profiled(
        profiled,
        *[lambda value=value: repository.find_by_access_token(value) for value in [*odd, "a b", "x" * 257, ".."]],
        *[lambda value=value: repository.find_by_session_id(value) for value in odd],
        *[lambda value=value: repository.ensure_token(value) for value in odd],
        *[lambda value=value: repository.revoke(value) for value in odd],
    )

    assert asked == []


def test_the_indexes_are_made_once_however_often_they_are_asked_for(mongo_collection: Calls) -> None:
    repository = MongoCallRepository(mongo_collection)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: repository.ensure_indexes(), range(8)))
    repository.ensure_indexes()

    indexes = mongo_collection.index_information()
    assert set(indexes) == {"_id_", "recording_access_token_1", "session_id_1"}
    assert indexes["recording_access_token_1"]["unique"] is True
    assert "unique" not in indexes["session_id_1"]


def test_calls_without_a_token_do_not_collide_and_equal_tokens_do(mongo_collection: Calls) -> None:
    MongoCallRepository(mongo_collection).ensure_indexes()

    for number, token in enumerate([None, None, "", ""]):
        mongo_collection.insert_one({"session_id": f"s-{number}", "recording_access_token": token})
    mongo_collection.insert_many([{"session_id": "s-4"}, {"session_id": "s-5"}])
    mongo_collection.insert_one({"session_id": "s-6", "recording_access_token": TOKEN})
    with pytest.raises(DuplicateKeyError):
        mongo_collection.insert_one({"session_id": "s-7", "recording_access_token": TOKEN})


@pytest.mark.parametrize("options", [{"unique": True}, {"name": "by_session"}, {"sparse": True}])
def test_an_index_on_session_id_that_the_platform_has_is_enough(
    mongo_collection: Calls, options: dict[str, Any]
) -> None:
    mongo_collection.create_index("session_id", **options)
    mongo_collection.create_index([("recording_access_token", 1)], unique=True, sparse=True)
    before = mongo_collection.index_information()

    MongoCallRepository(mongo_collection).ensure_indexes()

    assert mongo_collection.index_information() == before


def test_an_index_that_is_in_the_way_is_named(mongo_collection: Calls) -> None:
    mongo_collection.create_index("recording_access_token")

    with pytest.raises(RepositoryUnavailable, match=r"MongoDB: Index(Options|KeySpecs)Conflict"):
        MongoCallRepository(mongo_collection).ensure_indexes()


def test_tokens_that_calls_share_are_told_without_telling_them(mongo_collection: Calls) -> None:
    mongo_collection.insert_many([{"session_id": f"s-{n}", "recording_access_token": TOKEN} for n in range(2)])

    with pytest.raises(RepositoryUnavailable, match="recording_access_token: several calls share one") as caught:
        MongoCallRepository(mongo_collection).ensure_indexes()

    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_revoking_and_rotating_leave_no_link_open_where_calls_share_a_session_id(mongo_collection: Calls) -> None:
    repository = MongoCallRepository(mongo_collection)
    twins = [CALL | {"recording_access_token": f"twin-{number}"} for number in range(3)]

    mongo_collection.insert_many([dict(twin) for twin in twins])
    token = repository.rotate("s-1")
    assert [repository.find_by_access_token(f"twin-{number}") for number in range(3)] == [None] * 3
    assert repository.find_by_access_token(str(token)) == CALL
    assert repository.ensure_token("s-1") == token

    mongo_collection.insert_many([dict(twin) for twin in twins])
    repository.set_expiry("s-1", NOW)
    assert [repository.find_by_access_token(f"twin-{number}") for number in range(3)] == [None] * 3
    repository.set_expiry("s-1", None)
    repository.revoke("s-1")
    assert [repository.find_by_access_token(f"twin-{number}") for number in range(3)] == [None] * 3
    assert repository.ensure_token("s-1") is None


@pytest.mark.parametrize("token", [None, "", 7, ["x"], {"$ne": None}])
def test_a_call_that_is_revoked_while_its_token_is_minted_stays_without(
    mongo_collection: Calls, monkeypatch: pytest.MonkeyPatch, token: object
) -> None:
    repository = MongoCallRepository(mongo_collection)
    mongo_collection.insert_one(CALL | {"recording_access_token": token})

    def mint_late() -> str:
        repository.revoke("s-1")
        return TOKEN

    monkeypatch.setattr(mongo, "mint_recording_access_token", mint_late)

    assert repository.ensure_token("s-1") is None
    assert repository.find_by_access_token(TOKEN) is None


def test_an_expiry_is_kept_in_milliseconds_and_never_rounded_up(mongo_collection: Calls) -> None:
    clock = [NOW]
    repository = MongoCallRepository(mongo_collection, clock=lambda: clock[0])
    mongo_collection.insert_one(CALL | {"recording_access_token": TOKEN})

    repository.set_expiry("s-1", NOW + timedelta(microseconds=1999))

    clock[0] = NOW + timedelta(microseconds=999)
    assert repository.find_by_access_token(TOKEN) is not None
    clock[0] = NOW + timedelta(microseconds=1000)
    assert repository.find_by_access_token(TOKEN) is None


def test_a_stored_text_that_is_no_utf8_is_told_as_a_failure(mongo_collection: Calls) -> None:
    broken = bson.encode(CALL | {"recording_key": "XXXX"}).replace(b"XXXX", b"X\xff\xfeX")
    mongo_collection.insert_one(bson.raw_bson.RawBSONDocument(broken))

    with pytest.raises(RepositoryUnavailable, match="MongoDB: InvalidBSON"):
        MongoCallRepository(mongo_collection).find_by_session_id("s-1")


def test_a_closed_client_is_told_as_a_failure(mongo_collection: Calls) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient("127.0.0.1", 1)
    client.close()

    with pytest.raises(RepositoryUnavailable, match="MongoDB: "):
        MongoCallRepository(client["tests"]["calls"], timeout=1).find_by_session_id("s-1")


def test_a_collection_with_another_document_class_serves_as_well(mongo_collection: Calls) -> None:
    raw = mongo_collection.with_options(bson.CodecOptions(document_class=bson.raw_bson.RawBSONDocument))
    repository = MongoCallRepository(raw)
    mongo_collection.insert_one(dict(CALL))

    token = repository.ensure_token("s-1")

    assert dict(repository.find_by_access_token(str(token)) or {}) == CALL


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_timeout_that_is_none_is_refused(mongo_collection: Calls, seconds: float) -> None:
    with pytest.raises(ValueError, match="timeout: a number of seconds greater than 0"):
        MongoCallRepository(mongo_collection, timeout=seconds)
    with pytest.raises(ValueError, match="build_timeout: a number of seconds greater than 0"):
        MongoCallRepository(mongo_collection).ensure_indexes(build_timeout=seconds)
    with pytest.raises(ValueError, match="timeout: a number of seconds greater than 0"):
        MongoSettingsProvider(mongo_collection, {}, timeout=seconds)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (SETTINGS, None),
        ({"name": "x", "recordings": SETTINGS}, "recordings"),
        ({"platform": {"name": "x", "recordings": SETTINGS}}, "platform.recordings"),
    ],
)
def test_the_settings_are_the_document_or_a_field_of_it(
    mongo_collection: Calls, document: dict[str, Any], field: str | None
) -> None:
    mongo_collection.insert_many([{"_id": "other"}, document | {"_id": "system"}])

    assert MongoSettingsProvider(mongo_collection, {"_id": "system"}, field=field)() == SETTINGS


def test_the_settings_are_remembered_for_the_seconds_given(mongo_collection: Calls) -> None:
    clock = [0.0]
    mongo_collection.insert_one({"cxbcore_secret": "first"})
    provider = MongoSettingsProvider(mongo_collection, {}, cache_seconds=5, clock=lambda: clock[0])
    assert provider() == {"cxbcore_secret": "first"}
    mongo_collection.update_one({}, {"$set": {"cxbcore_secret": "second"}})

    clock[0] = 4.999
    assert provider() == {"cxbcore_secret": "first"}
    clock[0] = 5.0
    assert provider() == {"cxbcore_secret": "second"}
    mongo_collection.update_one({}, {"$set": {"cxbcore_secret": "third"}})
    clock[0] = 9.999
    assert provider() == {"cxbcore_secret": "second"}
    clock[0] = 10.0
    assert provider() == {"cxbcore_secret": "third"}


def test_the_settings_are_asked_for_each_time_where_nothing_may_be_remembered(mongo_collection: Calls) -> None:
    mongo_collection.insert_one({"cxbcore_secret": "first"})
    provider = MongoSettingsProvider(mongo_collection, {}, cache_seconds=0, clock=lambda: 0.0)
    assert provider() == {"cxbcore_secret": "first"}

    mongo_collection.update_one({}, {"$set": {"cxbcore_secret": "second"}})

    assert provider() == {"cxbcore_secret": "second"}
    with pytest.raises(ValueError, match="cache_seconds: a number of seconds from 0 on"):
        MongoSettingsProvider(mongo_collection, {}, cache_seconds=-1)


def test_threads_that_ask_at_once_all_get_the_settings(mongo_collection: Calls) -> None:
    mongo_collection.insert_one(dict(SETTINGS))
    provider = MongoSettingsProvider(mongo_collection, {})
    together = threading.Barrier(8, timeout=30)

    def ask(_: int) -> object:
        together.wait()
        return provider()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == [SETTINGS] * 8


def test_settings_that_are_not_there_are_told_and_found_when_they_come(mongo_collection: Calls) -> None:
    provider = MongoSettingsProvider(mongo_collection, {"_id": "system"}, field="recordings")

    with pytest.raises(SettingsError, match=f"no document of {mongo_collection.full_name} matches"):
        provider()
    mongo_collection.insert_one({"_id": "system"})
    with pytest.raises(SettingsError, match="recordings: the settings document has no mapping there") as caught:
        provider()
    assert caught.value.fields == ("recordings",)
    mongo_collection.update_one({}, {"$set": {"recordings": "a secret text"}})
    with pytest.raises(SettingsError, match="recordings: the settings document has no mapping there"):
        provider()
    mongo_collection.update_one({}, {"$set": {"recordings": SETTINGS}})

    assert provider() == SETTINGS


def test_neither_repository_nor_provider_shows_what_it_holds() -> None:
    client: MongoClient[dict[str, Any]] = pymongo.MongoClient("mongodb://user:s3cret@127.0.0.1:1/", connect=False)
    provider = MongoSettingsProvider(client["tests"]["settings"], {"owner": "s3cret"})

    assert "s3cret" not in repr(provider) + repr(MongoCallRepository(client["tests"]["calls"]))
    client.close()
