"""The documentation is true: its code runs, its tables agree with the code, its links lead somewhere."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from pymongo import MongoClient

import cxb_recordings
from cxb_recordings.settings import read_settings

PROJECT = Path(__file__).parents[1]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
PAGES_WITH_CODE = [page for page in PAGES if "```python" in page.read_text()]

_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table whose first column is called `heading`, without its first two lines."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE)
    assert table is not None, f"{page.name} has no table of {heading}"
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]


def code(text: str) -> str:
    return text.strip().strip("`")


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: page.name)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page.read_text()
    if 'os.environ["MONGODB_URI"]' in text:
        monkeypatch.setenv("MONGODB_URI", request.getfixturevalue("mongod").uri)
    app = Flask("host")
    app.config["JWT_SECRET_KEY"] = "a key of sixty-four characters, as long as the longest hash needs"
    JWTManager(app)
    names: dict[str, Any] = {"app": app, "__name__": "host"}
    try:
        for block in _PYTHON.finditer(text):
            # Padded, so that a traceback has the page's line numbers.
            exec(compile("\n" * text.count("\n", 0, block.start(1)) + block[1], page, "exec"), names)
    finally:
        for value in names.values():
            if isinstance(value, MongoClient):
                value.close()


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

    table = {code(name): code(default) for name, default, *_ in rows(PROJECT / "docs/hosting.md", "keyword")}

    assert table == {option.name: _shown(option.default) for option in options if option.kind is option.KEYWORD_ONLY}


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
            assert shown == [_argument(parameter) for parameter in actual], name


def test_the_table_of_the_example_has_every_variable_that_it_reads() -> None:
    read = set(re.findall(r"CXB_[A-Z_]+", (PROJECT / "examples/environment.py").read_text()))

    assert {code(name) for row in rows(PROJECT / "README.md", "variable") for name in row[0].split(", ")} == read


def test_the_reference_has_every_public_name() -> None:
    page = (PROJECT / "docs/api.md").read_text()

    described = set(re.findall(r"auto\w+:: cxb_recordings\.(\w+)(?:\(\))?$", page, re.MULTILINE))
    assert described >= set(cxb_recordings.__all__) - {"__version__"}


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
