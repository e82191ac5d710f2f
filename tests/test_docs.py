"""The documentation is true: its code runs, its tables agree with the code, its links lead somewhere."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from blinker import NamedSignal
from pymongo import MongoClient
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from sqlalchemy import Engine

import cxb_recordings
from cxb_recordings import errors, signals
from cxb_recordings.operations.commands import RecordingsGroup
from cxb_recordings.options import Options
from cxb_recordings.settings import read_settings
from tests.web.site import host_app

from .servers import missing
from .servers.wsgi import COMMANDS, FACTS, Facts

PROJECT = Path(__file__).parents[1]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
SQLALCHEMY = PROJECT / "docs/sqlalchemy.md"
# The tutorial is for a reader with shells: test_tutorial.py. Sentry changes Flask: security/test_error_reports.py.
APART = {"tutorial.md", SQLALCHEMY.name, "tokens-in-logs.md"}
PAGES_WITH_CODE = [page for page in PAGES if "```python" in page.read_text() and page.name not in APART]

_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
SERVERS_OF_THE_PAGE = {
    "gunicorn `gthread`": "gunicorn gthread",
    "gunicorn `gevent`": "gunicorn gevent",
    "gunicorn `gevent_pywsgi`": "gunicorn gevent_pywsgi",
    "gunicorn `sync`": "gunicorn sync",
    "waitress": "waitress",
    "cheroot": "cheroot",
    "gevent's `pywsgi`": "pywsgi",
    "uWSGI, `--threads 8`": "uwsgi",
    "Granian, `--interface wsgi`": "granian",
    "Flask's own server": "flask",
    "Flask's own server, `--without-threads`": "flask without threads",
    "wsgiref": "wsgiref",
    "uvicorn, asgiref's `WsgiToAsgi`": "uvicorn, asgiref",
    "uvicorn, a2wsgi's `WSGIMiddleware`": "uvicorn, a2wsgi",
    "uvicorn, `--interface wsgi`": "uvicorn wsgi",
    "Hypercorn, `wsgi:`": "hypercorn wsgi",
}


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table whose first column is called `heading`, without its first two lines."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE)
    assert table is not None, f"{page.name} has no table of {heading}"
    return [[cell.strip() for cell in re.split(r" \|(?= )", line.strip("|"))] for line in table[1].splitlines()]


def code(text: str) -> str:
    return text.strip().strip("`")


@contextmanager
def running(page: Path) -> Iterator[dict[str, Any]]:
    """The names of a page after its code ran from top to bottom, with an `app` in place."""
    text = page.read_text()
    app = host_app()
    names: dict[str, Any] = {"app": app, "__name__": "host"}
    try:
        for block in _PYTHON.finditer(text):
            # Padded, so that a traceback has the page's line numbers.
            source = "\n" * text.count("\n", 0, block.start(1)) + block[1]
            exec(compile(source, page, "exec", dont_inherit=True), names)
        yield names
    finally:
        for value in names.values():
            if isinstance(value, MongoClient):
                value.close()
            elif isinstance(value, Engine):
                value.dispose()


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: page.name)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page.read_text()
    if 'os.environ["MONGODB_URI"]' in text:
        monkeypatch.setenv("MONGODB_URI", request.getfixturevalue("mongod").uri)
    monkeypatch.setenv("RECORDINGS_CA", DEFAULT_CA_BUNDLE_PATH)
    with running(page):
        pass


def test_the_repository_on_sqlalchemy_passes_its_checks_and_tells_no_token_when_the_database_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/calls.db")
    with running(SQLALCHEMY) as names:
        row, client = {"session_id": "s-1", "recording_access_token": "the-token"}, names["app"].test_client()
        names["repository_with"]([row | {"recording_key": "a.wav"}])

        assert dict(names["calls"].find_by_access_token("the-token"))["recording_key"] == "a.wav"
        names["Base"].metadata.drop_all(names["engine"])
        assert client.get("/api/v1/public/recordings/the-token").status_code == 503

    assert "no such table: calls" in caplog.text
    assert "the-token" not in caplog.text


def test_the_readme_has_the_one_test_command_that_ci_runs() -> None:
    lines = (PROJECT / "README.md").read_text().splitlines()

    [command] = [line for line in lines if "-m pytest" in line]
    assert command.startswith("python3 -m venv ")
    assert "grep -e '-m pytest' README.md" in (PROJECT / ".ci/run").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text()) if "://" not in link]

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_table_of_options_is_the_signature_of_register() -> None:
    options = inspect.signature(cxb_recordings.register).parameters.values()

    table = rows(PROJECT / "docs/hosting.md", "keyword")

    assert {code(name): code(default) for name, default, *_ in table} == {
        option.name: _shown(option.default) for option in options if option.kind is option.KEYWORD_ONLY
    }
    described = Options.descriptions()
    assert {
        code(name): (unit, re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", meaning))
        for name, _, unit, meaning in table
        if code(name) in described
    } == {name: (option.unit, option.meaning) for name, option in described.items()}


def test_the_table_of_arguments_is_the_signature_of_register() -> None:
    arguments = inspect.signature(cxb_recordings.register).parameters.values()

    table = [code(name) for name, *_ in rows(PROJECT / "docs/hosting.md", "argument")]

    assert table == [argument.name for argument in arguments if argument.default is argument.empty]


def test_the_table_of_mongodb_has_the_defaults_of_the_code() -> None:
    for call, default, _ in rows(PROJECT / "docs/mongodb.md", "argument"):
        name, argument = re.fullmatch(r"(\w+)\(…, (\w+)\)", code(call)).groups()  # type: ignore[union-attr]
        parameter = inspect.signature(getattr(cxb_recordings, name)).parameters[argument]
        assert code(default) == _shown(parameter.default)


def test_the_table_of_url_helpers_has_their_arguments_and_defaults() -> None:
    for call, _ in rows(PROJECT / "docs/links-and-tokens.md", "helper"):
        name, arguments = re.fullmatch(r"(\w+)\((.*)\)", code(call)).groups()  # type: ignore[union-attr]
        function = inspect.signature(getattr(cxb_recordings, name)).parameters
        method = inspect.signature(getattr(cxb_recordings.RecordingService, name)).parameters
        shown = arguments.split(", ")
        for parameters, ignored in ((function, "settings"), (method, "self")):
            actual = [parameter for parameter in parameters.values() if parameter.name != ignored]
            # Told once for all: whose settings a method takes.
            actual = [each for each in actual if (each.name, each.kind) != ("call", each.KEYWORD_ONLY)]
            assert shown == [_argument(parameter) for parameter in actual], name


def test_the_table_of_the_example_has_every_variable_that_it_reads() -> None:
    read = set(re.findall(r"CXB_[A-Z_]+", (PROJECT / "examples/environment.py").read_text()))

    assert {code(name) for row in rows(PROJECT / "README.md", "variable") for name in row[0].split(", ")} == read


def test_the_reference_has_every_public_name() -> None:
    page = "".join(path.read_text() for path in (PROJECT / "docs").glob("api*.md"))
    described = set(re.findall(r"auto\w+:: cxb_recordings\.([\w.]+)(?:\(\))?$", page, re.MULTILINE))

    told = {f"signals.{name}" for row in rows(PROJECT / "docs/signals.md", "signal") for name in map(code, row[:2])}
    raised = {name if name in cxb_recordings.__all__ else f"errors.{name}" for name in errors.__all__}
    assert described >= {*cxb_recordings.__all__, *told, *raised} - {"__version__"}


def test_the_table_of_signals_has_each_of_them() -> None:
    sent = {name for name, value in vars(signals).items() if isinstance(value, NamedSignal)}

    assert {code(name) for name, *_ in rows(PROJECT / "docs/signals.md", "signal")} == sent


def test_the_tables_of_the_command_line_have_every_command_and_option() -> None:
    page = PROJECT / "docs/cli.md"
    expected: dict[str, set[str]] = {}
    defaults: dict[str, str] = {}
    for name, command in RecordingsGroup().commands.items():
        arguments = [parameter.name.upper() for parameter in command.params if isinstance(parameter, click.Argument)]
        options = [option for option in command.params if isinstance(option, click.Option)]
        defaults |= {option.opts[0]: str(option.default) if option.show_default else "" for option in options}
        expected[" ".join([name, *arguments])] = {option.opts[0] for option in options} - {"--name"}

    assert {code(row[0]): set(re.findall(r"--[\w-]+", row[1])) for row in rows(page, "command")} == expected
    shown = {code(option): code(default) for option, default, _ in rows(page, "option")}
    assert shown == defaults


def test_the_page_on_servers_has_the_command_lines_that_its_list_was_run_with() -> None:
    page = (PROJECT / "docs/servers.md").read_text()

    for name, command in COMMANDS.items():
        line = command.format(port=8000, module="host").replace("waitress ", "waitress-serve ")
        assert (f"$ {line}\n" in page) == (name != "gunicorn sync"), name


def test_the_table_of_servers_says_what_the_tests_measure() -> None:
    """The rows are in the table's order, which groups by use; clients/test_server_facts.py measures each server."""
    table = rows(PROJECT / "docs/servers.md", "server")
    said = {}
    for label, *cells in table:
        at_once, frees, max_streams, head, without_length = (cell.strip("*") for cell in cells)
        facts = Facts(at_once == "yes", frees == "yes", max_streams == "yes" or None, int(head), without_length)
        said[SERVERS_OF_THE_PAGE[label]] = facts

    assert said == FACTS


def test_gunicorn_takes_each_command_line_of_the_page_on_servers(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    lines = re.findall(r"^(?:\$ )?gunicorn (.*)$", (PROJECT / "docs/servers.md").read_text(), re.MULTILINE)
    if importlib.util.find_spec("gevent") is None:
        missing(request, "gevent (extra ci)")
    (tmp_path / "host.py").write_text("from flask import Flask\n\napp = Flask(__name__)\n")

    assert len(lines) == 4
    for line in lines:
        command = [sys.executable, "-m", "gunicorn", "--check-config", *line.split()]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def test_the_table_of_rooms_has_every_package_and_module() -> None:
    inside = (PROJECT / "cxb_recordings").iterdir()
    modules = {path.name for path in inside if path.suffix == ".py" and not path.name.startswith("_")}
    packages = {f"{path.parent.name}/" for path in (PROJECT / "cxb_recordings").glob("*/__init__.py")}

    assert {code(room) for room, _ in rows(PROJECT / "docs/design.md", "room")} == modules | packages


@pytest.mark.parametrize("word", [code(word) for word, _ in rows(PROJECT / "docs/design.md", "word")])
def test_a_word_of_the_design_is_a_word_of_the_code(word: str) -> None:
    modules = (path.read_text() for path in (PROJECT / "cxb_recordings").rglob("*.py"))

    assert any(re.search(rf"^(?:class|def) {word}\b", text, re.MULTILINE) for text in modules)


def test_every_field_in_the_table_of_settings_is_read() -> None:
    fields = [code(field) for row in rows(PROJECT / "docs/settings.md", "field") for field in row[0].split(", or ")]
    storage = {field.removeprefix("minio."): 0 for field in fields if field.startswith("minio.")}
    settings = read_settings({"minio": storage, "cxbcore_fleet": 0, "cxbcore_secret": 0})

    aliases = {"minio.access", "minio.secret"}
    assert {fault.field for fault in settings.faults} == set(fields) - aliases


def _shown(default: object) -> str:
    return repr(default).replace("'", '"')


def _argument(parameter: inspect.Parameter) -> str:
    has_default = parameter.default is not parameter.empty
    return f"{parameter.name}={_shown(parameter.default)}" if has_default else parameter.name
