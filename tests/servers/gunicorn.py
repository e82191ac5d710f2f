"""gunicorn, serving an application that a test writes, with the workers that the test asks for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from . import tail, wait_until

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Gunicorn:
    """A gunicorn that answers.

    Attributes:
        url: where, without a trailing slash.
        process: the arbiter; the workers are its children.
        log: the file with what it and the application wrote.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def worker_pids(self) -> list[int]:
        """The process ids of the workers (Linux only)."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def stop(self) -> None:
        """End arbiter and workers, by their process group."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)  # at once: SIGTERM waits for streams in progress
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=5)


def host_source(settings: object, keys: Mapping[str, str], options: str = "") -> str:
    """Python source of a host: its `app`, and `service` with `options`; `keys` has recordings' keys by their tokens."""
    calls = [{"session_id": each, "recording_key": keys[each], "recording_access_token": each} for each in keys]
    return (
        "from flask import Flask\nfrom cxb_recordings import InMemoryCallRepository, register\napp = Flask('host')\n"
        f"calls = InMemoryCallRepository({calls!r})\n"
        f"service = register(app, lambda: {settings!r}, calls, require_admin=lambda view: view, {options})\n"
    )


class GunicornFactory(Protocol):
    """Starts a gunicorn.

    Args:
        source: Python source of a module that defines `app`.
        arguments: gunicorn's, such as ``"--worker-class", "gthread", "--threads", "4"``; one sync worker without any.
        environment: variables to add.
    """

    def __call__(self, source: str, *arguments: str, environment: dict[str, str] | None = None) -> Gunicorn: ...


@pytest.fixture
def gunicorn(tmp_path: Path) -> Iterator[GunicornFactory]:
    """A factory of gunicorn servers, each on its own port."""
    with gunicorns(tmp_path) as start:
        yield start


@contextmanager
def gunicorns(directory: Path) -> Iterator[GunicornFactory]:
    """The factory behind the fixture, for fixtures that outlive a test; modules and logs go to `directory`."""
    servers: list[Gunicorn] = []

    def start(source: str, *arguments: str, environment: dict[str, str] | None = None) -> Gunicorn:
        module = f"gunicorn_app_{len(servers)}"
        (directory / f"{module}.py").write_text(source)
        log = directory / f"{module}.log"
        command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", *arguments, f"{module}:app"]
        variables = os.environ | {"PYTHONPATH": f"{directory}{os.pathsep}{PROJECT}"} | (environment or {})
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=directory, env=variables, stdout=output, stderr=output, start_new_session=True
            )
        server = _wait_for_answer(process, log)
        servers.append(server)
        return server

    try:
        yield start
    finally:
        for server in servers:
            server.stop()


def _wait_for_answer(process: subprocess.Popen[bytes], log: Path) -> Gunicorn:
    """Wait until a worker has loaded the application; RuntimeError with the log's end where that fails."""

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"gunicorn ended with {process.returncode}:\n{tail(log)}")
        _, listening, rest = log.read_text(errors="replace").partition("Listening at: ")
        if not listening or "\n" not in rest:
            return False
        try:
            urllib.request.urlopen(rest.split()[0], timeout=10).close()
        except urllib.error.HTTPError as error:  # an answer, too
            error.close()
        except OSError:  # it ends before it answers; the next call tells why
            return False
        return True

    server = Gunicorn("", process, log)
    try:
        wait_until(answers, "gunicorn")
    except BaseException:
        server.stop()
        raise
    url = log.read_text(errors="replace").partition("Listening at: ")[2].split()[0]
    return Gunicorn(url, process, log)
