"""Listeners who leave, pause and come in numbers; and the workers that serve them."""

from __future__ import annotations

import itertools
import json
import queue
import random
import sqlite3
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import pytest

from cxb_recordings import register
from cxb_recordings.options import Options
from cxb_recordings.playback.conditions import PlaybackRequest
from cxb_recordings.service import RecordingService
from tests.fakes import FakeTime
from tests.servers import wait_until
from tests.servers.gunicorn import GunicornFactory
from tests.servers.origin import OriginFactory

from .playing import KEY, system_settings

DATA = random.Random(3).randbytes(1_000_000)
LONG = DATA * 40  # more than the buffers of all sockets on the way hold

HOST = """
import json, os
from flask import Flask
from cxb_recordings import InMemoryCallRepository, register
from cxb_recordings.playback.conditions import PlaybackRequest

app = Flask("host")
settings = json.loads(os.environ["SYSTEM_SETTINGS"])
keys = json.loads(os.environ["KEYS"])
calls = [
    {"session_id": str(number), "recording_key": key, "recording_access_token": f"token-{number}"}
    for number, key in enumerate(keys)
]
service = register(app, lambda: settings, InMemoryCallRepository(calls), require_admin=lambda view: view)
service.warm_up()
if "PLAY_IN_PARENT" in os.environ:
    b"".join(service.open(keys[0], PlaybackRequest()).stream)  # leaves kept-alive connections in the pools


@app.after_request
def name_the_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response
"""


def environment(settings: dict[str, object], keys: list[str]) -> dict[str, str]:
    return {"SYSTEM_SETTINGS": json.dumps(settings), "KEYS": json.dumps(keys)}


@pytest.mark.parametrize("kind", ["storage", "fleet host"])
def test_the_rest_follows_after_a_pause_in_which_the_source_dropped_the_connection(
    make_origin: OriginFactory, kind: str
) -> None:
    origin = make_origin({KEY: LONG})
    settings = system_settings(origin, []) if kind == "storage" else system_settings(None, [origin])
    time = FakeTime()
    options = Options(resume_timeout=60, resume_attempts=1)
    service = RecordingService(lambda: settings, options, clock=time.clock, sleep=time.sleep)
    stream = service.open(KEY, PlaybackRequest()).stream
    assert stream is not None

    received = []
    for chunk in stream:
        received.append(chunk)
        if len(received) == 3:
            time.sleep(600)
            origin.refuse()
            origin.listen()

    assert b"".join(received) == LONG
    assert len(origin.requests) == 2, "all of it was in the sockets' buffers: nothing was shown"


class PooledCalls:
    """A host's repository: SQLite behind a pool of one connection, given back when the request ends."""

    def __init__(self, app: flask.Flask) -> None:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.execute("CREATE TABLE calls (token TEXT, key TEXT)")
        connection.execute("INSERT INTO calls VALUES ('token', ?)", (KEY,))
        self.pool: queue.Queue[sqlite3.Connection] = queue.Queue()
        self.pool.put(connection)
        app.teardown_request(lambda _: self._give_back())

    def find_by_session_id(self, session_id: str) -> dict[str, Any] | None:
        return None

    def find_by_access_token(self, token: str) -> dict[str, Any] | None:
        flask.g.connection = connection = self.pool.get(timeout=1)  # queue.Empty where somebody holds it
        row = connection.execute("SELECT key FROM calls WHERE token = ?", (token,)).fetchone()
        return {"recording_key": row[0]} if row else None

    def _give_back(self) -> None:
        if "connection" in flask.g:
            self.pool.put(flask.g.pop("connection"))


def test_twenty_listeners_stream_at_once_with_a_database_pool_of_one_connection(
    make_origin: OriginFactory,
) -> None:
    origin = make_origin({KEY: DATA})
    app = flask.Flask("host")
    calls = PooledCalls(app)
    settings = system_settings(origin, [])
    asked: list[int] = []

    def provider() -> dict[str, object]:
        asked.append(1)
        return settings

    register(app, provider, calls, require_admin=lambda view: view)
    listening: list[tuple[bytes, Iterator[bytes], Any]] = []
    for _ in range(20):
        response = app.test_client().get("/api/v1/public/recordings/token", buffered=False)
        assert response.status_code == 200
        chunks = response.iter_encoded()
        listening.append((next(chunks), chunks, response))

    assert origin.open_connections == 20
    assert calls.pool.qsize() == 1
    assert len(asked) == 20
    for first, chunks, response in listening:
        assert first + b"".join(chunks) == DATA
        response.close()
    assert len(asked) == 20
    calls.pool.get().close()


def test_workers_of_a_preloading_server_share_no_connection(
    make_origin: OriginFactory, gunicorn: GunicornFactory
) -> None:
    keys = [f"{number}.wav" for number in range(600)]  # each is played once, and so tells who asked for it
    storage = make_origin()  # has nothing, and its connections are still kept
    fleet = make_origin(dict.fromkeys(keys, DATA[:1000]))
    variables = environment(system_settings(storage, [fleet]), keys) | {"PLAY_IN_PARENT": "1"}
    server = gunicorn(HOST, "--preload", "--workers", "3", environment=variables)
    process_of = {keys[0]: "the parent"}
    unplayed = iter(range(1, len(keys)))

    def play(number: int) -> None:
        with urllib.request.urlopen(f"{server.url}/api/v1/public/recordings/token-{number}", timeout=30) as response:
            assert response.read() == DATA[:1000]
            process_of[keys[number]] = response.headers["X-Worker"]

    def two_workers_have_played() -> bool:
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(play, itertools.islice(unplayed, 12)))
        return len(set(process_of.values())) > 2

    wait_until(two_workers_have_played, "a second worker's turn")

    for origin in (storage, fleet):
        users: dict[int, set[str]] = {}
        for received in origin.requests:
            users.setdefault(received.connection, set()).add(process_of[received.target.rpartition("/")[2]])
        assert [processes for processes in users.values() if len(processes) > 1] == []
        assert set.union(*users.values()) == set(process_of.values())
