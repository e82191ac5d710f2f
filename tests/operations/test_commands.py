"""``flask recordings …``: what an operator types and reads."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from click.testing import Result
from flask import Flask
from flask_jwt_extended import JWTManager

from cxb_recordings import InMemoryCallRepository, MongoCallRepository, register
from cxb_recordings.calls.tokens import is_well_formed

TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
HOST = "voice.example"


class FinderOnly:
    """All that ``register`` needs, and no more."""

    def find_by_session_id(self, session_id: str) -> None:
        return None

    def find_by_access_token(self, token: str) -> None:
        return None


class Broken(FinderOnly):
    """A repository whose errors hold what must not be shown."""

    def find_by_session_id(self, session_id: str) -> None:
        raise LookupError(TOKEN)

    def ensure_token(self, *arguments: object) -> None:
        raise LookupError(TOKEN)

    rotate = revoke = sessions_without_token = ensure_token


def make_app(calls: Any = None, **config: object) -> Flask:
    app = Flask("host")
    app.config.update({"JWT_SECRET_KEY": "k" * 64} | config)
    JWTManager(app)
    register(app, dict, InMemoryCallRepository() if calls is None else calls)
    return app


def run(app: Flask, *arguments: str, **options: Any) -> Result:
    result = app.test_cli_runner().invoke(args=["recordings", *arguments], **options)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(params=["memory", "mongo"])
def calls(request: pytest.FixtureRequest) -> InMemoryCallRepository | MongoCallRepository:
    documents: list[dict[str, Any]] = [
        {"session_id": "with", "recording_access_token": TOKEN},
        {"session_id": "revoked", "recording_access_revoked": True},
        *({"session_id": f"s-{number}"} for number in range(5)),
    ]
    if request.param == "memory":
        return InMemoryCallRepository(documents)
    collection = request.getfixturevalue("mongo_collection")
    collection.insert_many(documents)
    return MongoCallRepository(collection)


def test_link_prints_the_public_link_and_mints_a_token_where_there_is_none(calls: Any) -> None:
    app = make_app(calls)

    existing, minted = run(app, "link", "with", "--host", HOST), run(app, "link", "s-0", "--host", HOST)

    assert existing.output == f"https://{HOST}/api/v1/public/recordings/{TOKEN}\n"
    token = minted.output.strip().rpartition("/")[2]
    assert is_well_formed(token)
    assert calls.find_by_access_token(token)["session_id"] == "s-0"


def test_link_needs_a_host_that_can_be_part_of_a_link() -> None:
    app = make_app()

    for arguments, named in (
        (["link", "s-1"], "--host"),
        (["link", "s-1", "--host", "https://x/"], "host: a host name"),
    ):
        result = run(app, *arguments)
        assert result.exit_code == 2
        assert named in result.output


@pytest.mark.parametrize("session_id", ["revoked", "unknown"])
def test_link_of_a_revoked_or_unknown_call_says_what_to_do(calls: Any, session_id: str) -> None:
    result = run(make_app(calls), "link", session_id, "--host", HOST)

    assert result.exit_code == 1
    assert "no such call, or its link is revoked" in result.output


def test_rotate_closes_the_old_link_and_revoke_the_new_one(calls: Any) -> None:
    app = make_app(calls)

    rotated = run(app, "rotate", "with")

    assert (rotated.exit_code, calls.find_by_access_token(TOKEN)) == (0, None)
    token = calls.ensure_token("with")
    assert token not in rotated.output
    assert run(app, "revoke", "with").exit_code == 0
    assert calls.find_by_access_token(token) is None
    assert run(app, "rotate", "unknown").exit_code == run(app, "revoke", "unknown").exit_code == 1


def test_backfill_gives_a_token_to_every_call_that_has_none(calls: Any) -> None:
    app = make_app(calls)

    result = run(app, "backfill", "--batch", "2")

    assert result.exit_code == 0
    assert result.output.endswith("5 calls were given a token.\n")
    assert calls.sessions_without_token() == []
    assert calls.ensure_token("revoked") is None
    assert run(app, "backfill").output.endswith("0 calls were given a token.\n")


def test_backfill_that_breaks_says_where_to_go_on() -> None:
    class Breaking(InMemoryCallRepository):
        def ensure_token(self, session_id: str) -> str | None:
            if session_id == "s-2":
                raise ConnectionError(TOKEN)
            return super().ensure_token(session_id)

    documents = [{"session_id": f"s-{number}"} for number in range(4)]

    result = run(make_app(Breaking(documents)), "backfill", "--batch", "1")

    assert result.exit_code == 1
    assert "Ended after 2 calls; go on with --after s-1" in result.output
    assert "Error: ConnectionError" in result.output
    assert TOKEN not in result.output
    calls = InMemoryCallRepository(documents)
    assert run(make_app(calls), "backfill", "--after", "s-1").output.endswith("2 calls were given a token.\n")


@pytest.mark.parametrize("arguments", [["link", "s", "--host", HOST], ["rotate", "s"], ["revoke", "s"], ["backfill"]])
def test_a_repository_that_is_no_token_store_is_told_so(arguments: list[str]) -> None:
    result = run(make_app(FinderOnly()), *arguments)

    assert result.exit_code == 1
    assert "FinderOnly has no ensure_token, rotate, revoke, sessions_without_token" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["trace", "--session-id", "s"],
        ["link", "s", "--host", HOST],
        ["rotate", "s"],
        ["revoke", "s"],
        ["backfill"],
    ],
)
def test_what_a_repository_raises_is_shown_by_its_name_only(arguments: list[str]) -> None:
    result = run(make_app(Broken()), *arguments)

    assert result.exit_code == 1
    assert "LookupError" in result.output
    assert TOKEN not in result.output


def test_colour_is_for_terminals_only() -> None:
    app = make_app()

    assert "\x1b[" not in run(app, "doctor").output
    assert click.style("failure", fg="red") in run(app, "doctor", color=True).output


def test_findings_are_shown_with_what_to_do_and_as_json() -> None:
    app = make_app()

    text, data = run(app, "doctor"), run(app, "doctor", "--json")

    assert text.exit_code == data.exit_code == 1
    lines = text.output.splitlines()
    assert lines[0] == "failure  storage: not configured: skipped"
    assert lines[1].startswith("         -> set minio.endpoint")
    assert json.loads(data.output)["status"] == "failure"
    assert json.loads(data.output)["findings"][0]["check"] == "storage"


@pytest.mark.parametrize(
    ("config", "status", "seen"),
    [
        ({"JWT_SECRET_KEY": None}, "failure", "no JWT_SECRET_KEY"),
        ({"JWT_SECRET_KEY": "short"}, "warning", "the key has 5 bytes"),
        ({"JWT_SECRET_KEY": None, "SECRET_KEY": "s" * 32}, "ok", "for HS256"),
        ({"JWT_ALGORITHM": "RS256"}, "failure", "no key for RS256"),
        ({"JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY": "a public key"}, "ok", "JWT_PUBLIC_KEY is there"),
    ],
)
def test_the_doctor_looks_at_the_key_that_the_admin_route_checks_with(
    config: dict[str, object], status: str, seen: str
) -> None:
    findings = json.loads(run(make_app(**config), "doctor", "--json").output)["findings"]

    [finding] = [finding for finding in findings if finding["check"] == "JWT"]
    assert finding["status"] == status
    assert seen in finding["seen"]


def test_several_registrations_share_one_group_and_are_chosen_by_name() -> None:
    app = make_app(InMemoryCallRepository([{"session_id": "first"}]))
    register(
        app,
        dict,
        InMemoryCallRepository([{"session_id": "second"}]),
        name="second",
        require_admin=lambda view: view,
        admin_url_prefix="/a",
        public_url_prefix="/p",
    )

    assert run(app, "link", "second", "--host", HOST, "--name", "second").output.startswith(f"https://{HOST}/p/")
    assert run(app, "link", "second", "--host", HOST, "--name", "cxb_recordings").exit_code == 1
    for arguments in (["doctor"], ["doctor", "--name", "third"]):
        result = run(app, *arguments)
        assert result.exit_code == 2
        assert "this app has cxb_recordings, second" in result.output
    assert '"JWT"' not in run(app, "doctor", "--name", "second", "--json").output


def test_a_command_of_the_hosts_own_stays(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("host")

    @app.cli.command("recordings")
    def own() -> None:
        click.echo("own")

    register(app, dict, InMemoryCallRepository(), require_admin=lambda view: view)

    assert run(app).output == "own\n"
    assert "a command of the host's own" in caplog.text


def test_trace_needs_one_of_session_id_and_token() -> None:
    for arguments in ([], ["--session-id", "a", "--token", "b"]):
        result = run(make_app(), "trace", *arguments)
        assert result.exit_code == 2
        assert "either --session-id or --token is needed" in result.output
