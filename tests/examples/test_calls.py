"""The host's calls: one suite for those in memory and those in MongoDB."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from pymongo import MongoClient

from cxb_recordings import RepositoryUnavailable
from examples.calls import Calls, CallSummary, MemoryCalls, MongoCalls
from tests.servers import free_port

NOON = datetime(2026, 5, 12, 12, tzinfo=timezone.utc)
CALL = {
    "session_id": "s-1",
    "recording_key": "a/b.wav",
    "recording_filename": "s-1.wav",
    "tenant": "nordic",
    "caller": "Ada",
    "agent": "Zoe",
    "started_at": NOON,
    "seconds": 61.5,
    "places": ["Storage"],
}


@pytest.fixture(params=["memory", "MongoDB"])
def calls(request: pytest.FixtureRequest) -> Calls:
    return MemoryCalls() if request.param == "memory" else MongoCalls(request.getfixturevalue("mongo_collection"))


def test_a_call_that_was_inserted_is_listed_and_found(calls: Calls) -> None:
    assert calls.insert(dict(CALL))

    summary = CallSummary(
        "s-1",
        "a/b.wav",
        filename="s-1.wav",
        tenant="nordic",
        caller="Ada",
        agent="Zoe",
        started_at=NOON,
        seconds=61.5,
        places=("Storage",),
    )
    assert calls.newest() == [summary]
    assert calls.summary("s-1") == summary
    found = calls.find_by_session_id("s-1")
    assert found is not None
    assert (found["recording_key"], found["tenant"]) == ("a/b.wav", "nordic")


def test_a_session_id_is_taken_once(calls: Calls) -> None:
    assert calls.insert(dict(CALL))
    assert not calls.insert(CALL | {"caller": "Eve"})

    assert [call.caller for call in calls.newest()] == ["Ada"]


def test_what_is_noted_of_a_recording_that_followed_is_shown_beside_the_rest(calls: Calls) -> None:
    calls.insert(CALL | {"places": [], "seconds": None})
    token = calls.ensure_token("s-1")
    before = calls.summary("s-1")
    assert before is not None
    assert not before.is_stored

    calls.note("s-1", {"places": ["Storage"], "seconds": 2.5, "peaks": [0, 100]})

    after = calls.summary("s-1")
    assert after is not None
    assert (after.is_stored, after.places, after.seconds, after.peaks) == (True, ("Storage",), 2.5, (0, 100))
    assert (after.caller, calls.ensure_token("s-1")) == ("Ada", token)
    assert [call.places for call in calls.newest()] == [("Storage",)]


def test_a_revoked_call_is_known_as_such(calls: Calls) -> None:
    calls.insert(dict(CALL))
    calls.ensure_token("s-1")
    calls.revoke("s-1")

    [call] = calls.newest()
    assert call.is_revoked
    assert calls.ensure_token("s-1") is None


@pytest.mark.parametrize("session_id", ["", "nope", "\x00", "\ud800", "$ne"])
def test_an_unknown_call_is_none(calls: Calls, session_id: str) -> None:
    assert calls.summary(session_id) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"started_at": "yesterday", "seconds": "long", "places": "Storage", "caller": None, "recording_key": 7},
        {"started_at": None, "seconds": None, "places": [1, None], "agent": ["x"], "recording_url": 7},
        {"peaks": "loud"},
        {"recording_filename": 7},
        *({"recording_filename": name} for name in ("", "..", "a/b.wav", "ü.wav", "a b.wav", "x" * 101, "a.wav\n")),
        {"peaks": [None, "x", 1e400]},
        {},
    ],
)
def test_a_call_whose_fields_are_odd_is_still_listed(calls: Calls, fields: dict[str, Any]) -> None:
    calls.insert({"session_id": "s-1"} | fields)

    [call] = calls.newest()
    shown = (call.session_id, call.key, call.filename, call.started_at, call.seconds)
    assert shown == ("s-1", None, None, None, None)


def test_the_calls_of_a_database_that_is_away_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.calls._SECONDS", 0.2)
    with MongoClient[dict[str, Any]]("127.0.0.1", free_port(), serverSelectionTimeoutMS=200) as client:
        calls = MongoCalls(client["cxb"]["calls"])
        for ask in (
            calls.newest,
            lambda: calls.summary("s-1"),
            lambda: calls.insert(dict(CALL)),
            lambda: calls.note("s-1", {}),
        ):
            with pytest.raises(RepositoryUnavailable):
                ask()
