"""A primary that steps down in the middle: questions are answered when there is one again, or told within seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from cxb_recordings import MongoCallRepository, MongoSettingsProvider, register
from tests.servers.mongod import MongodFactory
from tests.web.site import host_app

pytestmark = pytest.mark.full

TOKEN = "token-of-the-only-call"
SECONDS_WITHOUT_A_PRIMARY = 2


@pytest.fixture
def client(own_mongod: MongodFactory) -> Iterator[MongoClient[dict[str, Any]]]:
    with own_mongod(replica_set=True).client() as client:
        client["tests"]["calls"].insert_one({"session_id": "s-1", "recording_access_token": TOKEN})
        client["tests"]["settings"].insert_one({"cxbcore_fleet": []})
        yield client


def step_down(client: MongoClient[dict[str, Any]]) -> None:
    with suppress(AutoReconnect):  # the primary may close the connections that it had as one
        client.admin.command("replSetStepDown", SECONDS_WITHOUT_A_PRIMARY, force=True)


def test_every_question_in_the_middle_of_a_step_down_is_answered_by_the_next_primary(
    client: MongoClient[dict[str, Any]],
) -> None:
    calls = MongoCallRepository(client["tests"]["calls"], timeout=60)
    settings = MongoSettingsProvider(client["tests"]["settings"], {}, timeout=60)
    questions: list[Callable[[], object]] = [
        lambda: calls.find_by_session_id("s-1"),
        lambda: calls.find_by_access_token(TOKEN),
        lambda: calls.ensure_token("s-1"),
        settings,
    ]
    for question in questions:
        step_down(client)
        assert question()


def test_without_a_primary_a_listener_gets_503_within_seconds(client: MongoClient[dict[str, Any]]) -> None:
    app = host_app()
    calls = MongoCallRepository(client["tests"]["calls"], timeout=0.5)
    register(app, MongoSettingsProvider(client["tests"]["settings"], {}), calls)
    step_down(client)
    began = time.monotonic()
    reply = app.test_client().get(f"/api/v1/public/recordings/{TOKEN}")
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
    assert time.monotonic() - began < 15, "the driver's own patience is 30 s"
