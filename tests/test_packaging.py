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
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .servers.fleet_host import FleetHostFactory
from .servers.moto_s3 import Bucket

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


@pytest.mark.parametrize("extra", ["demo", "test", "ci", "lint"])
def test_every_dependency_is_pinned_for_the_newest_run(extra: str) -> None:
    wanted = requirements(config()["options"]["install_requires"] + config()["options.extras_require"][extra])

    assert {canonicalize_name(requirement.name) for requirement in wanted} - set(pins("constraints.txt")) == set()


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
    directory = tmp_path_factory.mktemp("build")
    copy = directory / "project"
    ignored = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(PROJECT, copy, ignore=ignored)
    run(sys.executable, "-m", "build", "--outdir", directory, copy, cwd=directory)
    [wheel], [sdist] = directory.glob("*.whl"), directory.glob("*.tar.gz")
    return Distributions(wheel, sdist)


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


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_host_application_of_five_lines_plays_from_the_wheel_in_an_empty_environment(
    distributions: Distributions, moto_bucket: Bucket, fleet_host: FleetHostFactory, tmp_path: Path
) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    run(python, "-m", "pip", "install", "-q", "-c", PROJECT / "constraints.txt", distributions.wheel, cwd=tmp_path)
    run(python, "-m", "pip", "check", cwd=tmp_path)
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
    on_fleet = quickstart.replace('{"minio": storage}', repr({"cxbcore_fleet": [fleet_host({KEY: b"fleet"}).url]}))
    (tmp_path / "fleet_only.py").write_text(HOST.format(quickstart=on_fleet))
    moto_bucket.put(KEY, b"storage")

    for script, body in (("host.py", b"storage"), ("fleet_only.py", b"fleet")):
        *replies, file = run(python, "-W", "error", script, cwd=tmp_path).splitlines()
        assert replies == [f"200 audio/wav {body.hex()}"] * 2
        assert Path(file).is_relative_to(tmp_path / "venv")
