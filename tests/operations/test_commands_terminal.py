"""No text from outside reaches an operator's terminal with characters that control it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from typing import Any

import pytest
from click.testing import Result

from cxb_recordings import InMemoryCallRepository, RepositoryUnavailable
from cxb_recordings.findings import Check, Finding
from cxb_recordings.operations import commands
from tests.operations.test_commands import make_app, run

HOSTILE = {
    "colour": "\x1b[31mred",
    "title": "\x1b]0;title\x07",
    "C1": "\x9b31m\x90q\x9c",
    "lines": "a\nfailure  storage: forged\r\n",
    "back": "a\b\b\bb\x7f",
    "turned": "\u202egnp.exe\u2066x\u2069",
    "separators": "a\u2028b\u2029c\x85",
    "invisible": "a\u200b\ufeff\U000e0041",
    "surrogate": "a\udc9bb",
    "quotes": "a'\"\\ $(x) `y`",
    "nul": "a\0b",
    "harmless": "ü/日本語 1",
}


def assert_harmless(result: Result) -> None:
    """Every line consists of printable characters, in which no line of a text's own begins."""
    lines = result.output.split("\n")
    assert all(line.isprintable() for line in lines), repr(result.output)
    assert not any(line.startswith("failure  storage: forged") for line in lines)


@pytest.fixture(params=list(HOSTILE.values()), ids=list(HOSTILE))
def hostile(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


class Interrupted(InMemoryCallRepository):
    """Ends a backfill, or whatever else, with an exception whose text is hostile."""

    def __init__(self, *calls: Any, text: str) -> None:
        super().__init__(*calls)
        self.text = text

    def ensure_token(self, session_id: str) -> str | None:
        if session_id == "\U0010fffe":
            raise RepositoryUnavailable(self.text)
        return super().ensure_token(session_id)


def test_a_backfill_that_is_interrupted_prints_no_session_id_raw(hostile: str) -> None:
    calls = Interrupted([{"session_id": hostile}, {"session_id": "\U0010fffe"}], text=hostile)

    result = run(make_app(calls), "backfill")

    assert_harmless(result)
    assert "Ended after 1 calls; go on with --after " in result.output


@pytest.mark.parametrize("command", [("doctor",), ("rotate", "s-1"), (), ("doctor", "--name"), ("backfill", "--batch")])
def test_a_mistake_in_a_command_is_told_without_what_controls_a_terminal(
    command: tuple[str, ...], hostile: str
) -> None:
    result = run(make_app(InMemoryCallRepository()), *command, hostile)

    assert result.exit_code == 2
    assert_harmless(result)


def test_what_it_prints_is_the_session_id_to_a_shell(hostile: str) -> None:
    calls = Interrupted([{"session_id": hostile}, {"session_id": "\U0010fffe"}], text="away")
    bash = shutil.which("bash")
    word = run(make_app(calls), "backfill").output.partition("--after ")[2].partition("\n")[0]

    if hostile.isprintable():
        assert shlex.split(word) == [hostile]
    elif bash and "\0" not in hostile and "\udc9b" not in hostile:
        locale = {"LC_ALL": "C.UTF-8"}
        read = subprocess.run(
            [bash, "-c", f"printf %s {word}"], env=locale, capture_output=True, check=True, timeout=30
        )
        assert read.stdout.decode() == hostile


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_trace_shows_session_ids_and_keys_escaped(hostile: str, options: list[str]) -> None:
    call = {"session_id": hostile, "recording_key": hostile, "recording_url": hostile}
    app = make_app(
        InMemoryCallRepository([call, call | {"session_id": "s"}, {"session_id": "t", "recording_url": hostile}])
    )

    results = [run(app, "trace", "--session-id", session_id, *options) for session_id in (hostile, "s", "t")]

    for result in results:
        assert_harmless(result)
        if options:
            assert json.loads(result.output)["findings"]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_the_text_of_a_finding_and_of_an_exception_is_escaped(
    monkeypatch: pytest.MonkeyPatch, hostile: str, options: list[str]
) -> None:
    finding = Finding("failure", Check.SOURCE, hostile, hostile, 500, 0.1, 7, hostile, hostile)
    monkeypatch.setattr(commands, "diagnose", lambda *_: [finding])

    result = run(make_app(), "doctor", *options)

    assert_harmless(result)
    if options:
        assert json.loads(result.output)["findings"][0]["seen"] == hostile
    monkeypatch.setattr(commands, "diagnose", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in run(make_app(), "doctor", *options).output


@pytest.mark.parametrize("command", [["link", "s", "--host", "h.example"], ["rotate", "s"], ["revoke", "s"]])
def test_the_text_of_an_error_of_a_token_store_is_escaped(command: list[str], hostile: str) -> None:
    class Away(InMemoryCallRepository):
        def ensure_token(self, session_id: str) -> Any:
            raise RepositoryUnavailable(hostile)

        rotate = revoke = ensure_token

    result = run(make_app(Away()), *command)

    assert result.exit_code == 1
    assert_harmless(result)
