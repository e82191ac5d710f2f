"""The quick tests on each Python that is here, with the oldest and the newest dependencies; style, types, docs.

``nox --list`` shows the sessions. Those that a plain ``nox`` runs are run by ``.ci/run`` too, which has an environment
of its own for every test.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.tags = ["ci"]

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
SETUP = ConfigParser()
SETUP.read(Path(__file__).with_name("setup.cfg"))
SUPPORTED = re.findall(r"Python :: (3\.\d+)", SETUP["metadata"]["classifiers"])
RUNTIME = re.findall(r"^([a-z0-9-]+)>=", SETUP["options"]["install_requires"], re.MULTILINE)
NEWEST, LOWEST = "constraints.txt", "constraints-lowest.txt"
COMMANDS = [
    ["ruff", "check"],
    ["ruff", "format", "--check"],
    ["mypy"],
    ["lint-imports"],
    ["bandit", "--quiet", "--recursive", "cxb_recordings"],
    ["python", "-m", "tests.prose"],
]


def _available() -> list[str]:
    """The supported versions that are here; the present one where none is."""
    if pyenv := shutil.which("pyenv"):  # the shims of versions that are not chosen fail: choose all
        versions = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True, check=False).stdout
        os.environ["PYENV_VERSION"] = ":".join(versions.split())
    return [version for version in SUPPORTED if _works(f"python{version}")] or [HERE]


def _works(python: str) -> bool:
    try:
        return not subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False


AVAILABLE = _available()


def _ends() -> Iterator[object]:
    """Each Python with the oldest dependencies and with the newest; one that is not here is skipped by name.

    CI has the ends: the oldest dependencies on the first Python, and the newest on the last. All tests run on a third.
    """
    for python in SUPPORTED if HERE in SUPPORTED else [*SUPPORTED, HERE]:
        for dependencies in ("lowest", "newest"):
            end = AVAILABLE[0] if dependencies == "lowest" else AVAILABLE[-1]
            in_ci = python == end and (dependencies == "lowest" or python != HERE)
            yield nox.param(python, dependencies, tags=["ci"] if in_ci else [], id=f"{python}, {dependencies}")


@nox.session
@nox.parametrize("python,dependencies", list(_ends()))
def tests(session: nox.Session, dependencies: str) -> None:
    """The quick tests."""
    _test(session, NEWEST if dependencies == "newest" else LOWEST)


@nox.session(python=AVAILABLE[-1])
@nox.parametrize("dependency", RUNTIME, ids=RUNTIME)
def oldest(session: nox.Session, dependency: str) -> None:
    """The quick tests with the oldest release of one dependency, and the newest of the others that go with it."""
    newest = Path(NEWEST).read_text().lower().replace("==", "<=")
    [lowest] = re.findall(rf"^{dependency}==.*", Path(LOWEST).read_text().lower(), re.MULTILINE)
    constraints = Path(session.create_tmp()) / "constraints.txt"
    constraints.write_text(re.sub(rf"^{dependency}<=.*\n", "", newest, flags=re.MULTILINE) + lowest + "\n")
    _test(session, str(constraints))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types and imports."""
    _install(session, NEWEST, "test,lint,ci")
    for command in COMMANDS:
        session.run(*command)


@nox.session
def docs(session: nox.Session) -> None:
    """The site; a warning fails it."""
    _install(session, NEWEST, "docs")
    session.run(
        "sphinx-build", "--quiet", "--nitpicky", "--fail-on-warning", "--keep-going", "docs", session.create_tmp()
    )


def _test(session: nox.Session, constraints: str) -> None:
    _install(session, constraints, "test,ci")
    # Old releases of botocore call utcnow(), of which Python warns since 3.12.
    old = [] if constraints == NEWEST else ["-W", "default:datetime.datetime.utc:DeprecationWarning"]
    session.run("python", "-m", "pytest", "-n", "2", "-q", *old, *session.posargs)


def _install(session: nox.Session, constraints: str, extras: str) -> None:
    if session.virtualenv.venv_backend == "none":  # --no-venv: everything is installed already
        return
    arguments = "--constraint", constraints, "--editable", f".[{extras}]"
    try:
        session.install(*arguments)
    except CommandFailed:  # once more: an index may be slow for a while
        session.install(*arguments)
