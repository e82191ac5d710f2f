"""What backfilling relies on: calls that have no token are listed, in batches, each behind the last one."""

from __future__ import annotations

from tests.contracts.test_call_repository import TOKEN, Subject, calls

__all__ = ["calls"]  # the fixture


def test_calls_without_a_token_are_listed_in_batches_each_behind_the_last_one(calls: Subject) -> None:
    for session_id in ("d", "b", "a", "c"):
        calls.insert({"session_id": session_id})
    calls.insert({"session_id": "null", "recording_access_token": None})
    calls.insert({"session_id": "odd", "recording_access_token": "no token\n"})
    calls.add(session_id="has one", recording_access_token=TOKEN)
    calls.add(session_id="revoked", recording_access_revoked=True)

    first = calls.repository.sessions_without_token(limit=3)
    second = calls.repository.sessions_without_token(after=first[-1], limit=3)

    assert (first, second) == (["a", "b", "c"], ["d", "null", "odd"])
    assert calls.repository.sessions_without_token(after="odd") == []


def test_a_call_that_was_given_a_token_is_no_longer_listed(calls: Subject) -> None:
    calls.add()

    calls.repository.ensure_token("s-1")

    assert calls.repository.sessions_without_token() == []
