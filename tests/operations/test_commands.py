"""``flask recordings …``: what an operator types and reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token

from cxb_recordings import InMemoryCallRepository, MongoCallRepository, register
from cxb_recordings.calls.tokens import is_well_formed
from cxb_recordings.findings import Check, Finding
from cxb_recordings.operations import commands

TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
HOST = "voice.example"
JWT_KEY = "k" * 64
KEYS: list[str] = []
PUBLIC_KEY = (
    rsa.generate_private_key(65537, 2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
)


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
    app.config.update({"JWT_SECRET_KEY": JWT_KEY} | config)
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
    assert lines[0] == "failure  CXB004 sources: there is none: neither object storage nor a fleet host"
    assert lines[1].startswith("         -> configure minio")
    assert lines[-1] == "1 failure, 3 ok; docs/operations.md has a section for each id"
    document = json.loads(data.output)
    assert (document["schema_version"], document["status"]) == (1, "failure")
    assert document["summary"] == {"failure": 1, "warning": 0, "ok": 3}
    assert {name: document["findings"][0][name] for name in ("id", "status", "check")} == {
        "id": "CXB004", "status": "failure", "check": "sources",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "arguments", "exit_code", "shown"),
    [
        (["ok", "ok"], ["--quiet"], 0, []),
        (["ok", "ok"], [], 0, ["ok", "ok", "2 ok, nothing is wrong"]),
        (["ok", "warning"], ["--quiet"], 0, ["warning"]),
        (["ok", "warning"], ["--quiet", "--fail-on", "warning"], 1, ["warning"]),
        (["warning", "ok"], ["--fail-on", "failure"], 0, ["warning", "ok", "1 warning, 1 ok"]),
        (["ok", "failure", "failure", "warning"], ["--quiet"], 1, ["failure", "failure", "warning"]),
    ],
)
def test_quiet_shows_what_is_wrong_alone_and_a_warning_may_fail(
    monkeypatch: pytest.MonkeyPatch, statuses: list[Any], arguments: list[str], exit_code: int, shown: list[str]
) -> None:
    findings = [Finding(status, Check.SOURCE, f"is {number}") for number, status in enumerate(statuses)]
    monkeypatch.setattr(commands, "diagnose", lambda *_: findings)
    app = Flask("host")
    register(app, dict, InMemoryCallRepository(), require_admin=lambda view: view)

    result = run(app, "doctor", *arguments)

    assert result.exit_code == exit_code
    for line, begins in zip(result.output.splitlines(), shown, strict=True):
        assert line.startswith(begins)


@pytest.mark.full
def test_a_reader_who_has_read_enough_ends_the_doctor_quietly(tmp_path: Path) -> None:
    (tmp_path / "host.py").write_text(
        "from flask import Flask\nfrom cxb_recordings import InMemoryCallRepository, register\napp = Flask(__name__)\n"
        "register(app, dict, InMemoryCallRepository(), require_admin=lambda view: view)\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
    command = f"{sys.executable} -m flask --app host recordings doctor | true"

    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("config", "status", "seen"),
    [
        ({"JWT_SECRET_KEY": None}, "failure", "no JWT_SECRET_KEY"),
        ({"JWT_SECRET_KEY": "short"}, "warning", "the key has 5 bytes"),
        ({"JWT_SECRET_KEY": None, "SECRET_KEY": "s" * 32}, "ok", "for HS256"),
        ({"JWT_ALGORITHM": "RS256"}, "failure", "no JWT_PUBLIC_KEY, for RS256"),
        ({"JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY": PUBLIC_KEY}, "ok", "a key is there, for RS256"),
        ({"JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY": object()}, "failure", "is no key for RS256 (TypeError)"),
        ({"JWT_ALGORITHM": "HS256", "JWT_SECRET_KEY": PUBLIC_KEY}, "failure", "is no key for HS256"),
    ],
)
def test_the_doctor_looks_at_the_key_that_the_admin_route_checks_with(
    config: dict[str, object], status: str, seen: str
) -> None:
    findings = json.loads(run(make_app(**config), "doctor", "--json").output)["findings"]

    [finding] = [finding for finding in findings if finding["check"] == "JWT"]
    assert finding["status"] == status
    assert seen in finding["seen"]


def test_what_is_known_with_a_token_alone_is_said_so_and_tried_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    monkeypatch.setattr(commands, "diagnose", lambda *_: [])
    app.extensions["flask-jwt-extended"].decode_key_loader(lambda *_: KEYS.pop())
    with app.app_context():
        token = create_access_token("anna", additional_claims={"role": "admin"})

    unknown = json.loads(run(app, "doctor", "--json").output)
    KEYS.append(JWT_KEY)
    valid = json.loads(run(app, "doctor", "--json", "--jwt", "-", input=f"Bearer {token}\n").output)
    broken = json.loads(run(app, "doctor", "--json", "--jwt", token).output)

    assert "doctor --jwt -" in unknown["findings"][0]["seen"]
    assert [report["status"] for report in (unknown, valid, broken)] == ["ok", "ok", "failure"]
    assert valid["findings"][0]["seen"] == "valid, and an administrator's"
    assert broken["findings"][0]["seen"] == "the check itself raised IndexError: the admin route answers 503"


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
