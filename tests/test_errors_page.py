"""The page on errors has each reply that the code can give, and no other: status, step and detail."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token

from cxb_recordings import InMemoryCallRepository, register
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.source import OpenedRecording
from cxb_recordings.testing import InMemorySource, hold_in_memory
from tests.servers.origin import Origin
from tests.servers.replies import archived

PROJECT = Path(__file__).parents[1]
ADMIN, PUBLIC = "/api/v1/recordings", "/api/v1/public/recordings"
CALLS = [{"session_id": "no key"}, {"session_id": "s", "recording_key": "a.wav", "recording_access_token": "t"}]
DOWN = {"minio": {"endpoint": "http://127.0.0.1:1", "access_key": "a", "secret_key": "s", "bucket": "b"}}

Row = tuple[int, str | None, str | None, str]


def rows_of_the_page() -> set[Row]:
    """Each row: status, step and reason (None where there is none), and the detail in it or above the table."""
    rows: set[Row] = set()
    page = (PROJECT / "docs/errors.md").read_text()
    for status, section in re.findall(r"^## (\d{3})$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        above = re.search(r"^\*([^*]+)\*$", section, re.MULTILINE)
        columns, *lines = [line.split(" | ") for line in re.findall(r"^\| (?!--)(.*) \|$", section, re.MULTILINE)] or [
            []
        ]
        for line in lines:
            cells = dict(zip(columns, line, strict=True))
            step, reason = (_code(cells.get(name, "")) for name in ("step", "reason"))
            rows.add((int(status), step, reason, above[1] if above else cells["detail"].strip("*")))
    return rows


def _code(cell: str) -> str | None:
    named = re.match(r"`([^`]+)`", cell)
    return named[1] if named else None


def an_app(settings: Any = dict, calls: Any = None, **options: Any) -> Flask:
    app = Flask("host")
    app.config["SECRET_KEY"] = app.config["JWT_SECRET_KEY"] = (
        "a key of sixty-four characters, as long as the longest hash needs"
    )
    JWTManager(app)
    register(app, settings, calls or InMemoryCallRepository(CALLS), **options)
    return app


def ask(app: Flask, path: str, role: str = "admin", **request: Any) -> Any:
    with app.app_context():
        token = create_access_token("anna", additional_claims={"role": role})
    headers = {"Authorization": f"Bearer {token}"} | request.pop("headers", {})
    return app.test_client().open(path, headers=headers, **request)


def with_a_recording(**request: Any) -> Any:
    app = an_app()
    with hold_in_memory(app, InMemorySource({"a.wav": b"RIFF and so on"})):
        return ask(app, f"{ADMIN}/s", **request)


class Unmeasured(InMemorySource):
    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        opened = super().open(key, wanted, unless_etag=unless_etag)
        return replace(opened, info=replace(opened.info, length=None))


def without_a_length() -> Any:
    app = an_app()
    with hold_in_memory(app, Unmeasured({"a.wav": b"RIFF and so on"})):
        return ask(app, f"{ADMIN}/s", environ_overrides={"SERVER_PROTOCOL": "HTTP/1.0"})


def too_many() -> Any:
    app = an_app(max_streams=1)
    with hold_in_memory(app, InMemorySource({"a.wav": b"x" * 1_000_000})):
        playing = ask(app, f"{ADMIN}/s", buffered=False)
        refused = ask(app, f"{ADMIN}/s")
        playing.close()
    return refused


def without_a_jwt_key() -> Any:
    app = an_app()
    with app.app_context():
        token = create_access_token("anna", additional_claims={"role": "admin"})
    del app.config["JWT_SECRET_KEY"]
    return app.test_client().get(f"{ADMIN}/s", headers={"Authorization": f"Bearer {token}"})


def raises(*_: Any) -> Any:
    raise OSError("down")


class Broken(InMemoryCallRepository):
    def find_by_session_id(self, session_id: str) -> None:
        raise OSError("down")


def in_an_archive() -> Any:
    with Origin(answer=archived) as store:
        return ask(an_app(store.storage), f"{ADMIN}/s")


def without_a_playback_url() -> Any:
    app = an_app(identity=lambda: "x" * 200, playback_url_prefix="/playback")
    return ask(app, f"{ADMIN}/s/playback-url", method="POST")


CASES: dict[Row, Callable[[], Any]] = {
    (401, None, None, "This needs a valid access token."): lambda: an_app().test_client().get(f"{ADMIN}/s"),
    (403, None, None, "This needs an administrator's token."): lambda: ask(an_app(), f"{ADMIN}/s", role="agent"),
    (404, "call", None, "There is no such recording."): lambda: ask(an_app(), f"{ADMIN}/unknown"),
    (404, "key", "not-uploaded", "There is no such recording."): lambda: ask(an_app(), f"{ADMIN}/no key"),
    (404, "sources", "missing", "There is no such recording."): lambda: ask(an_app(), f"{ADMIN}/s"),
    (404, "sources", "archived", "There is no such recording."): in_an_archive,
    (404, "sources", "unreachable", "There is no such recording."): lambda: ask(an_app(lambda: DOWN), f"{ADMIN}/s"),
    (404, None, None, "There is no such recording."): lambda: an_app().test_client().get(f"{PUBLIC}/unknown"),
    (412, None, None, "The recording does not match the precondition."): lambda: with_a_recording(
        headers={"If-Match": '"x"'}
    ),
    (416, None, None, "The recording has no such range."): lambda: with_a_recording(headers={"Range": "bytes=999-"}),
    (502, None, None, "The recording's length is not known."): without_a_length,
    (503, "settings", None, "The recording can't be looked up at the moment."): lambda: ask(
        an_app(raises), f"{ADMIN}/s"
    ),
    (503, "call repository", None, "The recording can't be looked up at the moment."): lambda: ask(
        an_app(calls=Broken()), f"{ADMIN}/s"
    ),
    (503, "identity", None, "The recording can't be looked up at the moment."): lambda: ask(
        an_app(identity=raises), f"{ADMIN}/s"
    ),
    (503, "JWT check", None, "The recording can't be looked up at the moment."): without_a_jwt_key,
    (503, "playback URL", None, "The recording can't be looked up at the moment."): without_a_playback_url,
    (503, "sources", None, "The recording can't be reached at the moment."): lambda: ask(
        an_app(lambda: DOWN, outage_status=503), f"{ADMIN}/s"
    ),
    (503, None, None, "Too many recordings are being played at the moment."): too_many,
}


@pytest.mark.parametrize("row", CASES, ids=lambda row: f"{row[0]} {row[1]} {row[2]}")
def test_each_reply_of_the_page_is_given(row: Row) -> None:
    status, step, reason, detail = row

    reply = CASES[row]()

    document = reply.get_json(force=True)
    assert (reply.status_code, document["detail"]) == (status, detail)
    assert (document.get("step"), document.get("reason")) == (step, reason)
    assert ("Retry-After" in reply.headers) == (status == 503 or reason in ("not-uploaded", "unreachable"))


def test_the_page_has_these_replies_and_no_others() -> None:
    assert rows_of_the_page() == set(CASES)


LITERALS = [
    ("status", r"\bproblem\((\d{3}),"),
    ("detail", r'\b(?:problem\(\d{3}, |busy\()"([^"]+)"'),
    ("step", r'\bunavailable\("([^"]+)"'),
    ("step", r'\bstep = "([^"]+)"'),
    ("step", r'\b(?:not_found\([\w.]+, |_nothing_to_play\(service, )"([^"]+)"'),
    ("reason", r'\b(?:not_found|_nothing_to_play)\(.*"\w+".*"([\w-]+)"\)'),
]


def test_the_code_has_no_status_step_or_detail_that_the_page_does_not_name() -> None:
    code = "".join(path.read_text() for path in (PROJECT / "cxb_recordings/web").glob("*.py"))

    in_code = {(kind, found) for kind, pattern in LITERALS for found in re.findall(pattern, code)}

    named = {("status", str(status)) for status, *_ in CASES} | {("detail", detail) for *_, detail in CASES}
    named |= {("step", step) for _, step, _, _ in CASES if step}
    named |= {("reason", reason) for _, _, reason, _ in CASES if reason}
    assert in_code == named | {("step", "token"), ("step", "expired")}  # of signals and logs only
