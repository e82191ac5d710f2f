"""The rules that keep the code arranged: who imports what, how long a module is, what it says of itself."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from configparser import ConfigParser
from http.client import HTTPConnection
from pathlib import Path

import pytest

from cxb_recordings import errors
from tests.web.site import Site

PROJECT = Path(__file__).parents[1]
PACKAGE = sorted((PROJECT / "cxb_recordings").rglob("*.py"))
MODULES = [*PACKAGE, *sorted(path for part in ("examples", "tests") for path in (PROJECT / part).rglob("*.py"))]
LONGEST_MODULE = 350  # lines
MOST_FRAMES = 9  # of the package, from a view to the socket

# Imported, but declared through what brings them: they are useless, or another release, without it.
BROUGHT_BY = {"botocore": "boto3", "bson": "pymongo", "click": "flask", "jwt": "flask-jwt-extended"}


def name_of(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def third_party_imports(path: Path) -> Iterator[str]:
    """The top-level names of what a module imports, at its top or inside a function; typeshed is of type checkers."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in ("cxb_recordings", "_typeshed"):
                yield top


def test_imports_keep_the_contracts_of_import_linter() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("needs lint-imports (PyPI package import-linter), which is not installed")

    done = subprocess.run([program, "--no-cache"], cwd=PROJECT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_third_party_import_is_kept_to_its_rooms_by_a_contract() -> None:
    config = ConfigParser()
    config.read(PROJECT / "setup.cfg")
    protected = {name for section in config.values() for name in section.get("protected_modules", "").split()}

    assert {top for path in PACKAGE for top in third_party_imports(path)} == protected


def test_every_third_party_import_is_a_declared_dependency() -> None:
    config = ConfigParser()
    config.read(PROJECT / "setup.cfg")
    sections = config["options"]["install_requires"], config["options.extras_require"]["metrics"]
    declared = {name for section in sections for name in re.findall(r"^[a-z0-9-]+", section, re.MULTILINE)}

    imported = {top for path in PACKAGE for top in third_party_imports(path)}

    imported.remove("pytest")  # which loads the plugin: its importers have it
    assert {BROUGHT_BY.get(top, top.replace("_", "-")) for top in imported} == declared


@pytest.mark.parametrize("path", [path for path in MODULES if path.stat().st_size], ids=name_of)
def test_a_module_is_short_and_says_what_lives_there(path: Path) -> None:
    text = path.read_text()

    assert text.count("\n") <= LONGEST_MODULE
    assert ast.get_docstring(ast.parse(text)), "it has no docstring"


@pytest.mark.parametrize(
    "settings",
    [
        {"minio": {"endpoint": "http://127.0.0.1:1", "access_key": "a", "secret_key": "b", "bucket": "c"}},
        {"cxbcore_fleet": ["http://127.0.0.1:1"], "cxbcore_secret": "s"},
    ],
    ids=["storage", "fleet"],
)
def test_the_way_of_a_request_from_its_view_to_the_socket_is_short(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    ways: list[list[str]] = []

    def refuse(_: HTTPConnection, __: object) -> None:
        names = [frame.name for frame in traceback.extract_stack() if Path(frame.filename) in PACKAGE]
        ways.append(names[names.index("recording") :])
        raise ConnectionRefusedError

    monkeypatch.setattr(HTTPConnection, "send", refuse)
    site = Site(settings)

    assert site.client.get(site.path()).status_code == 404
    assert ways
    for way in ways:
        assert len(way) <= MOST_FRAMES, way


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "RecordingError"])
def test_an_error_is_a_recording_error_and_says_when_it_is_raised(name: str) -> None:
    error = getattr(errors, name)

    assert issubclass(error, errors.RecordingError)
    assert re.match(r"Raised when .*[.]", (inspect.getdoc(error) or "").split("\n\n")[0])
