"""The WSGI servers that hosts use, each serving an application that a test writes, on a port of its own."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from . import accepts_connections, free_port, missing
from .daemon import Daemon
from .gunicorn import PROJECT

# What runs after ``python -m``; the package that must be there is its first word, or `gevent`.
COMMANDS = {
    "gunicorn sync": "gunicorn --bind 127.0.0.1:{port} {module}:app",
    "gunicorn gthread": "gunicorn --bind 127.0.0.1:{port} --worker-class gthread --threads 8 {module}:app",
    "gunicorn gevent": "gunicorn --bind 127.0.0.1:{port} --worker-class gevent {module}:app",
    "waitress": "waitress --listen=127.0.0.1:{port} {module}:app",
    "flask": "flask --app {module} run --port {port}",
}
# Those that differ in what comes of a body without a length.
OTHERS = {
    "gunicorn gevent_pywsgi": "gunicorn --bind 127.0.0.1:{port} --worker-class gevent_pywsgi {module}:app",
    "pywsgi": "tests.servers.other_wsgi pywsgi {port} {module}",
    "cheroot": "cheroot --bind 127.0.0.1:{port} {module}:app",
    "flask without threads": "flask --app {module} run --port {port} --without-threads",
    "wsgiref": "tests.servers.other_wsgi wsgiref {port} {module}",
    "uwsgi": "tests.servers.other_wsgi pyuwsgi {port} {module}",
    "granian": "granian --interface wsgi --host 127.0.0.1 --port {port} {module}:app",
}
_PACKAGES = {"pywsgi": "gevent", "pyuwsgi": "pyuwsgi", "gevent": "gevent", "gevent_pywsgi": "gevent"}


class WsgiServer(Daemon):
    """A server that listens; `url` has no trailing slash. :meth:`kill` ends it and, with it, its workers."""

    def __init__(self, request: pytest.FixtureRequest, name: str, source: str, directory: Path) -> None:
        """Describe a server; nothing runs yet.

        Args:
            request: of the fixture, which is skipped by name where the server is not installed.
            name: one of `COMMANDS` or `OTHERS`.
            source: Python source of a module that defines `app`.
            directory: an empty one, for the module and the log.
        """
        port = free_port()
        module = "served_app"
        (directory / f"{module}.py").write_text(source)
        arguments = (COMMANDS | OTHERS)[name].format(port=port, module=module).split()
        for package in (arguments[0], *(_PACKAGES[word] for word in arguments if word in _PACKAGES)):
            if importlib.util.find_spec(package) is None:
                missing(request, f"{package} (extra ci)")
        variables = [f"PYTHONPATH={directory}{os.pathsep}{PROJECT}", "PYTHONDONTWRITEBYTECODE=1"]
        command = ["/usr/bin/env", *variables, sys.executable, "-m", *arguments]
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(name, command, directory / "server.log", ready=lambda: accepts_connections(port))

    def kill(self) -> None:
        """End it, and its workers: granian's outlive it."""
        workers = []
        if self._process is not None and self._process.poll() is None:
            for children in Path(f"/proc/{self.pid}/task").glob("*/children"):  # nothing but on Linux
                workers += [int(pid) for pid in children.read_text().split()]
        super().kill()
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
