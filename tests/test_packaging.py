"""What is built is what users need: contents, bounds, and a host application that runs from the wheel alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .servers import missing
from .servers.moto_s3 import Bucket
from .servers.origin import OriginFactory

PROJECT = Path(__file__).parents[1]
KEY = "2026/05/s-1.wav"

HOST = """\
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token

app = Flask("host")
app.config["JWT_SECRET_KEY"] = "a key of sixty-four characters, as long as the longest hash needs"
JWTManager(app)
{quickstart}
import cxb_recordings
with app.app_context():
    admin = {{"Authorization": "Bearer " + create_access_token("a", additional_claims={{"role": "admin"}})}}
client = app.test_client()
for path, headers in ((link.removeprefix("https://calls.example.com"), {{}}), ("/api/v1/recordings/s-1", admin)):
    reply = client.get(path, headers=headers)
    print(reply.status_code, reply.mimetype, reply.data.hex())
print(cxb_recordings.__file__)
"""

# What hosts write, typed: mounting, repositories, a view and a decorator of their own, signals, tests in memory.
TYPED_HOST = """\
from collections import Counter
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import cxb_recordings
from cxb_recordings import MongoCallRepository, MongoSettingsProvider, signals
from cxb_recordings.pytest_plugin import HoldInMemory
from cxb_recordings.testing import InMemorySource, hold_in_memory
from flask import Flask, Response, abort, request
from pymongo import MongoClient

P = ParamSpec("P")
R = TypeVar("R")


def operators_only(view: Callable[P, R]) -> Callable[P, R]:
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if request.headers.get("X-Operator-Key") != "key":
            abort(403)
        return view(*args, **kwargs)

    return guarded


def create_app(client: MongoClient[dict[str, Any]]) -> Flask:
    app = Flask("host")
    calls = MongoCallRepository(client["cxb"]["calls"])
    settings = MongoSettingsProvider(client["cxb"]["settings"], {"_id": "system"})
    recordings = cxb_recordings.register(app, settings, calls, require_admin=operators_only, max_streams=20)
    token: str | None = calls.ensure_token("s-1")
    link: str = recordings.build_public_recording_url("calls.example.com", token or "")
    app.config["LINK"] = link
    signals.recording_served.connect(listened, recordings)

    @app.get("/voicemail/<path:key>")
    def voicemail(key: str) -> Response:
        return cxb_recordings.stream_recording_key(key)

    return app


def listened(sender: cxb_recordings.RecordingService, *, event: signals.RecordingServed) -> None:
    print(sender.options.max_streams, event.listener.session_id, event.delivered + 1)


class Calls:
    def find_by_session_id(self, session_id: str) -> Mapping[str, object] | None:
        return {"session_id": session_id, "recording_key": "a.wav"}

    def find_by_access_token(self, token: str) -> Mapping[str, object] | None:
        return None


def test_it(recordings_in_memory: HoldInMemory) -> None:
    app = Flask("host")
    service = cxb_recordings.register(app, dict, Calls(), admin_claim=("realm_access", "roles"), admin_values=(True,))
    url: str = service.generate_signed_url("a.wav", expires_in=60)
    held = recordings_in_memory(app, InMemorySource({"a.wav": b"RIFF"}, "storage"))
    ends: list[int] = [event.delivered for event in held.heard(signals.RecordingServed)]
    with hold_in_memory(app) as other:
        other.source.breaks.append(10)
    print(ends, url)
"""

TYPE_ERRORS = """\
import cxb_recordings
from flask import Flask

cxb_recordings.register(Flask("host"), dict, object())
cxb_recordings.build_public_recording_url("h.example", token=b"token")
"""


def config() -> ConfigParser:
    parser = ConfigParser()
    parser.read(PROJECT / "setup.cfg")
    return parser


def requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def pins(name: str) -> dict[str, str]:
    """Version by canonical name."""
    pinned = requirements((PROJECT / name).read_text())
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pinned}


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    environment["SOURCE_DATE_EPOCH"] = "1790000000"
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def readme_quickstart() -> str:
    found = re.search(r"^```python\n(.*?)^```$", (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_quickstart_has_five_lines() -> None:
    assert len([line for line in readme_quickstart().splitlines() if line]) == 5


def test_every_runtime_dependency_is_pinned_at_its_lower_bound_for_the_oldest_run() -> None:
    lowest = pins("constraints-lowest.txt")

    for requirement in requirements(config()["options"]["install_requires"]):
        [bound] = requirement.specifier
        assert bound.operator == ">="
        exact = lowest[canonicalize_name(requirement.name)]
        assert exact == bound.version or exact == f"{bound.version}.0", requirement.name


@pytest.mark.parametrize("extra", ["demo", "test", "ci", "lint", "docs"])
def test_every_dependency_is_pinned_for_the_newest_run(extra: str) -> None:
    wanted = requirements(config()["options"]["install_requires"] + config()["options.extras_require"][extra])

    assert {canonicalize_name(requirement.name) for requirement in wanted} - set(pins("constraints.txt")) == set()


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
@pytest.mark.parametrize("constraints", ["constraints.txt", "constraints-lowest.txt"])
def test_no_python_has_two_pins_of_one_package(constraints: str, python: str) -> None:
    pinned = requirements((PROJECT / constraints).read_text())
    meant = [pin for pin in pinned if not pin.marker or pin.marker.evaluate({"python_version": python})]
    names = [canonicalize_name(pin.name) for pin in meant]

    assert [name for name in names if names.count(name) > 1] == []


def test_the_page_on_installation_says_which_dependencies_have_left_the_oldest_python() -> None:
    names = {canonicalize_name(need.name) for need in requirements(config()["options"]["install_requires"])}
    pinned = requirements((PROJECT / "constraints.txt").read_text())
    old = [pin for pin in pinned if pin.marker and pin.marker.evaluate({"python_version": "3.10"})]

    said = re.findall(r"`([^`]*) (\S+)` is the last", (PROJECT / "docs/install.md").read_text())
    assert said == [(pin.name, str(pin.specifier)[2:]) for pin in old if canonicalize_name(pin.name) in names]


def test_the_page_on_installation_has_the_pythons_that_are_supported() -> None:
    supported = re.findall(r"Python :: (3\.\d+)", config()["metadata"]["classifiers"])

    assert config()["options"]["python_requires"] == f">={supported[0]}"
    assert f"| Python | {supported[0]} | {supported[-1]} |" in (PROJECT / "docs/install.md").read_text()


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("[b](docs/b.md#c), [d](https://d.example), [e](#e)", "", "b, [d](https://d.example), [e](#e)"),
        ("![p](docs/p.png)", "", ""),
        (
            "![p](docs/p.png) [L](LICENSE)",
            "https://a.example/x",
            "![p](https://a.example/x/docs/p.png) [L](https://a.example/x/LICENSE)",
        ),
    ],
)
def test_the_readme_on_an_index_has_no_link_that_leads_into_the_repository(text: str, address: str, shown: str) -> None:
    spec = spec_from_file_location("project_setup", PROJECT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)

    assert module.readme_for_an_index(text, address) == shown
    assert module.ADDRESS == ""


def test_importing_the_package_warns_of_nothing() -> None:
    run(sys.executable, "-W", "error", "-c", "import cxb_recordings", cwd=PROJECT)


@dataclass(frozen=True, slots=True)
class Distributions:
    """The files that a release consists of."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """An sdist built from a copy of the project, and the wheel built from that sdist."""
    return build(tmp_path_factory.mktemp("build"))


def build(directory: Path) -> Distributions:
    copy = directory / "project"
    ignored = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(PROJECT, copy, ignore=ignored)
    run(sys.executable, "-m", "build", "--outdir", directory, copy, cwd=directory)
    [wheel], [sdist] = directory.glob("*.whl"), directory.glob("*.tar.gz")
    return Distributions(wheel, sdist)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_second_build_has_the_same_bytes_and_an_index_takes_it(
    distributions: Distributions, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if find_spec("twine") is None:
        missing(request, "twine (extra lint)")
    again = build(tmp_path)

    assert again.wheel.read_bytes() == distributions.wheel.read_bytes()
    assert again.sdist.read_bytes() == distributions.sdist.read_bytes()
    shown = run(sys.executable, "-m", "twine", "check", "--strict", again.wheel, again.sdist, cwd=tmp_path)
    assert shown.count("PASSED") == 2
    with zipfile.ZipFile(again.wheel) as archive:
        [metadata] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    assert "pip install" in metadata
    assert re.findall(r"\]\((?!https?:|#)", metadata) == []


@pytest.mark.full
@pytest.mark.timeout(600)
def test_the_wheel_holds_the_typed_package_and_nothing_else(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as archive:
        names = archive.namelist()

    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"cxb_recordings"}
    package = {name for name in names if name.startswith("cxb_recordings/")}
    sources = {str(path.relative_to(PROJECT)) for path in (PROJECT / "cxb_recordings").rglob("*.py")}
    assert package == sources | {"cxb_recordings/py.typed"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_the_sdist_holds_what_the_tests_and_the_docs_need(distributions: Distributions) -> None:
    with tarfile.open(distributions.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    wanted = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "constraints.txt", "constraints-lowest.txt"]
    wanted += ["docs/index.md", "examples/__main__.py", "tests/conftest.py", "tests/servers/ceph.py", "setup.cfg"]
    assert set(wanted) - names == set()
    assert [name for name in names if name.endswith(".pyc")] == []


@pytest.fixture(scope="module")
def installed(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel and what it needs, and nothing else."""
    directory = tmp_path_factory.mktemp("installed")
    python = directory / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", directory / "venv", cwd=directory)
    run(python, "-m", "pip", "install", "-q", "-c", PROJECT / "constraints.txt", distributions.wheel, cwd=directory)
    run(python, "-m", "pip", "check", cwd=directory)
    return python


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_typed_host_passes_mypy_strict_against_the_wheel(
    installed: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if find_spec("mypy") is None:
        missing(request, "mypy (extra lint)")
    (tmp_path / "host.py").write_text(TYPED_HOST)
    (tmp_path / "wrong.py").write_text(TYPE_ERRORS)
    command = [sys.executable, "-m", "mypy", "--strict", f"--python-executable={installed}", "host.py", "wrong.py"]

    # The environment has no pytest, of which the fixture is made.
    command += ["--disable-error-code=import-not-found", f"--cache-dir={tmp_path}/cache"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=400)

    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [(line.split(":")[0], line.split("[")[-1]) for line in errors] == [("wrong.py", "arg-type]")] * 2, (
        done.stdout
    )


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_host_application_of_five_lines_plays_from_the_wheel_in_an_empty_environment(
    installed: Path, moto_bucket: Bucket, make_origin: OriginFactory, tmp_path: Path
) -> None:
    quickstart = readme_quickstart()
    server = moto_bucket.server
    for placeholder, real in {
        "nyc3.digitaloceanspaces.com": server.endpoint,
        "KEY": server.access_key,
        "SECRET": server.secret_key,
        "calls": moto_bucket.name,
    }.items():
        quickstart = quickstart.replace(f'"{placeholder}"', f'"{real}"')
    (tmp_path / "host.py").write_text(HOST.format(quickstart=quickstart))
    on_fleet = quickstart.replace('{"minio": storage}', repr({"cxbcore_fleet": [make_origin({KEY: b"fleet"}).url]}))
    (tmp_path / "fleet_only.py").write_text(HOST.format(quickstart=on_fleet))
    moto_bucket.put(KEY, b"storage")

    for script, body in (("host.py", b"storage"), ("fleet_only.py", b"fleet")):
        *replies, file = run(installed, "-W", "error", script, cwd=tmp_path).splitlines()
        assert replies == [f"200 audio/wav {body.hex()}"] * 2
        assert Path(file).is_relative_to(installed.parents[1])
