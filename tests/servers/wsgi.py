"""The WSGI servers that hosts use, each serving an application that a test writes, on a port of its own."""

from __future__ import annotations

import importlib.util
import os
import sys
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


class WsgiServer(Daemon):
    """A server that listens; `url` has no trailing slash. :meth:`kill` ends it and, with it, its workers."""

    def __init__(self, request: pytest.FixtureRequest, name: str, source: str, directory: Path) -> None:
        """Describe a server; nothing runs yet.

        Args:
            request: of the fixture, which is skipped by name where the server is not installed.
            name: one of `COMMANDS`.
            source: Python source of a module that defines `app`.
            directory: an empty one, for the module and the log.
        """
        port = free_port()
        module = "served_app"
        (directory / f"{module}.py").write_text(source)
        arguments = COMMANDS[name].format(port=port, module=module).split()
        for package in (arguments[0], *(["gevent"] if "gevent" in arguments else [])):
            if importlib.util.find_spec(package) is None:
                missing(request, f"{package} (extra ci)")
        variables = [f"PYTHONPATH={directory}{os.pathsep}{PROJECT}", "PYTHONDONTWRITEBYTECODE=1"]
        command = ["/usr/bin/env", *variables, sys.executable, "-m", *arguments]
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(name, command, directory / "server.log", ready=lambda: accepts_connections(port))
