"""``flask recordings availability``: what it prints, and the exit status that a script decides by."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from cxb_recordings import InMemoryCallRepository, register
from tests.commands import CALL, KEY, TOKEN
from tests.servers import free_port
from tests.servers.origin import OriginFactory
from tests.servers.replies import archived

DATA = b"RIFF" + bytes(range(256))


def ask(settings: Any, *arguments: str, calls: Any = None) -> Result:
    app = Flask("host")
    provider = settings if callable(settings) else lambda: settings
    register(app, provider, calls or InMemoryCallRepository([CALL]), require_admin=lambda view: view)
    result = app.test_cli_runner().invoke(args=["recordings", "availability", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert TOKEN not in result.output
    return result


def raising(*_: object) -> Any:
    raise LookupError(TOKEN)


class Broken(InMemoryCallRepository):
    find_by_session_id = find_by_access_token = raising  # type: ignore[assignment]


class NoCalls(InMemoryCallRepository):
    def find_by_session_id(self, session_id: str) -> Any:
        return ["no call"]


def test_available_is_0_by_each_way_to_name_the_recording(make_origin: OriginFactory) -> None:
    host = make_origin({KEY: DATA})

    for arguments in (("--session-id", "s-1"), ("--token", TOKEN), ("--key", KEY)):
        result = ask(host.fleet(), *arguments)
        assert (result.exit_code, result.output) == (0, f"available: {host.url}, {len(DATA)} bytes, audio/wav\n")
        shown = json.loads(ask(host.fleet(), *arguments, "--json").output)
        assert shown == {
            "status": "available", "source": host.url, "length": len(DATA), "media_type": "audio/wav", "reasons": {},
        }  # fmt: skip
    assert {request.method for request in host.requests} == {"HEAD"}


def test_missing_and_archived_are_1_and_unreachable_is_3_each_with_its_reasons(make_origin: OriginFactory) -> None:
    host, store = make_origin(), make_origin(answer=archived)
    down = f"http://127.0.0.1:{free_port()}"
    cases: list[tuple[Any, int, str, set[str]]] = [
        (host.fleet(), 1, "missing", {host.url}),
        ({}, 1, "missing", {"settings"}),
        (store.storage(), 1, "archived", {"storage"}),
        ({**store.storage(), "cxbcore_fleet": [host.url, down]}, 3, "unreachable", {"storage", host.url, down}),
        (raising, 3, "unreachable", {"settings"}),
    ]
    for settings, status, named, reasons in cases:
        text, data = (ask(settings, "--session-id", "s-1", *more) for more in ([], ["--json"]))
        assert (text.exit_code, data.exit_code) == (status, status)
        assert text.output.splitlines()[0] == named
        shown = json.loads(data.stdout)
        assert (shown["status"], set(shown["reasons"])) == (named, reasons)
        assert set(shown) == {"status", "reasons"}
        for name, reason in shown["reasons"].items():
            assert f"  {name}: {reason}\n" in text.output


@pytest.mark.parametrize(
    ("calls", "arguments", "status", "named"),
    [
        (None, ["--session-id", "unknown"], 1, "missing"),
        (None, ["--token", "unknown"], 1, "missing"),
        (None, ["--token", "mal/formed"], 1, "missing"),
        (InMemoryCallRepository([{"session_id": "s"}]), ["--session-id", "s"], 1, "missing"),
        (None, ["--key", "a/../b"], 1, "missing"),
        (None, ["--key", ""], 1, "missing"),
        (Broken(), ["--session-id", "s"], 3, "unreachable"),
        (Broken(), ["--token", TOKEN], 3, "unreachable"),
        (NoCalls(), ["--session-id", "s"], 3, "unreachable"),
    ],
)
def test_a_call_that_is_not_there_is_missing_and_a_repository_that_raises_leaves_it_open(
    calls: Any, arguments: list[str], status: int, named: str
) -> None:
    result = ask(dict, *arguments, calls=calls)

    assert (result.exit_code, result.output.splitlines()[0]) == (status, named)


@pytest.mark.parametrize("arguments", [[], ["--session-id", "s", "--key", "k"], ["--session-id", "s", "--token", "t"]])
def test_it_needs_one_way_to_name_the_recording(arguments: list[str]) -> None:
    result = ask(dict, *arguments)

    assert result.exit_code == 2
    assert "one of --session-id, --token and --key is needed" in result.output
