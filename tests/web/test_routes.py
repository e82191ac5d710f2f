"""From a request to a key: how often the host's parts are asked, which tokens reach them, and which key a call has."""

from __future__ import annotations

from typing import Any

import pytest

from cxb_recordings import InMemoryCallRepository, register
from tests.servers.fleet_host import FleetHostFactory

from .site import PREFIXES, Route, host_app

KEY = "2024/05/s-1.wav"
CALL = {"session_id": "s-1", "recording_key": KEY, "recording_access_token": "token-1"}


def test_the_settings_and_the_repository_are_asked_once_for_a_request(fleet_host: FleetHostFactory) -> None:
    asked: list[str] = []
    server = fleet_host({KEY: b"0123456789"})

    def settings() -> dict[str, object]:
        asked.append("settings")
        return {"cxbcore_fleet": [server.url]}

    class Calls(InMemoryCallRepository):
        def find_by_access_token(self, token: str) -> Any:
            asked.append("call")
            return super().find_by_access_token(token)

    app = host_app()
    register(app, settings, Calls([CALL, {"session_id": "s-2", "recording_access_token": "no-key"}]))
    assert asked == []
    for path, headers, expected in [
        ("token-1", {}, ["call", "settings"]),
        ("token-1", {"Range": "bytes=2-3", "If-Range": '"x"'}, ["call", "settings"]),
        ("no-key", {}, ["call"]),
        ("unknown", {}, ["call"]),
        ("!malformed", {}, []),
    ]:
        app.test_client().get(f"/api/v1/public/recordings/{path}", headers=headers)
        assert asked == expected, path
        asked.clear()


@pytest.mark.parametrize("token", ["a", "A.b_c~d-e", "x" * 256])
def test_a_well_formed_token_reaches_the_repository_as_it_is(token: str, fleet_host: FleetHostFactory) -> None:
    app, server = host_app(), fleet_host({KEY: b"0123"})
    calls = InMemoryCallRepository([CALL | {"recording_access_token": token}])
    register(app, lambda: {"cxbcore_fleet": [server.url]}, calls)

    assert app.test_client().get(f"/api/v1/public/recordings/{token}").data == b"0123"


@pytest.mark.parametrize(
    "token", ["x" * 257, "a b", "é", "a%2Fb", "a%00", "$ne", '{"$gt":""}', "a+b", "a=", "%2e%2e", "%2e"]
)
def test_a_malformed_token_never_reaches_the_repository(token: str) -> None:
    class Calls(InMemoryCallRepository):
        def find_by_access_token(self, token: str) -> Any:
            raise AssertionError

    app = host_app()
    register(app, dict, Calls())

    assert app.test_client().get(f"/api/v1/public/recordings/{token}").status_code == 404


@pytest.mark.parametrize(
    ("call", "key"),
    [
        ({"recording_key": "a/b.wav", "recording_url": "https://x.example/c.wav"}, "a/b.wav"),
        ({"recording_key": "", "recording_url": "https://x.example/b/c.wav?X-Amz-Date=1#d"}, "c.wav"),
        ({"recording_key": None, "recording_url": "https://x.example/a%20b%2525.wav"}, "a b%25.wav"),
        ({"recording_key": 3, "recording_url": "c.wav"}, "c.wav"),
        ({"recording_url": "https://x.example/a/b/"}, None),
        ({"recording_url": "https://x.example"}, None),
        ({"recording_url": "https://x.example/%2e%2e"}, None),
        ({"recording_url": ["c.wav"]}, None),
        ({"recording_url": ""}, None),
        ({}, None),
    ],
)
def test_the_key_is_the_stored_one_else_the_last_segment_of_the_url(
    route: Route, call: dict[str, object], key: str | None, fleet_host: FleetHostFactory
) -> None:
    server = fleet_host({} if key is None else {key: b"0123"})
    calls = InMemoryCallRepository([{"session_id": "s-1", "recording_access_token": "token-1", **call}])
    app = host_app()
    register(app, lambda: {"cxbcore_fleet": [server.url]}, calls, require_admin=lambda view: view)

    reply = app.test_client().get(f"{PREFIXES[route]}/{'s-1' if route == 'admin' else 'token-1'}")

    assert reply.status_code == (404 if key is None else 200)
    assert len(server.requests) == (0 if key is None else 1)
