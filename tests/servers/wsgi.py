"""The WSGI servers that hosts use, each serving an application that a test writes, on a port of its own."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
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
# Those that the page on servers has besides.
OTHERS = {
    "gunicorn gevent_pywsgi": "gunicorn --bind 127.0.0.1:{port} --worker-class gevent_pywsgi {module}:app",
    "pywsgi": "tests.servers.other_wsgi pywsgi {port} {module}",
    "cheroot": "cheroot --bind 127.0.0.1:{port} {module}:app",
    "flask without threads": "flask --app {module} run --port {port} --without-threads",
    "wsgiref": "tests.servers.other_wsgi wsgiref {port} {module}",
    "uwsgi": "tests.servers.other_wsgi pyuwsgi {port} {module}",
    "granian": "granian --interface wsgi --blocking-threads 8 --host 127.0.0.1 --port {port} {module}:app",
    "uvicorn, asgiref": "uvicorn --port {port} {module}:asgiref",
    "uvicorn, a2wsgi": "uvicorn --port {port} {module}:a2wsgi",
    "uvicorn wsgi": "uvicorn --port {port} --interface wsgi {module}:app",
    "hypercorn wsgi": "hypercorn --bind 127.0.0.1:{port} wsgi:{module}:app",
}
_PACKAGES = {"pywsgi": "gevent", "pyuwsgi": "pyuwsgi", "gevent": "gevent", "gevent_pywsgi": "gevent"}
_ADAPTERS = {
    "uvicorn, asgiref": "\nfrom asgiref.wsgi import WsgiToAsgi\n\nasgiref = WsgiToAsgi(app)\n",
    "uvicorn, a2wsgi": "\nfrom a2wsgi import WSGIMiddleware\n\na2wsgi = WSGIMiddleware(app)\n",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server does with listeners.

    Attributes:
        at_once: whether a second listener is answered while the first one listens.
        frees: whether what a listener held is free within 8 seconds after he left; else only at the recording's end.
        max_streams: whether one listener too many is answered 503; None where no two listen at once.
        head: the status of HEAD; 200 with the length and without a body, or what else came.
        without_length: "plays", and a break is seen; or "502".
    """

    at_once: bool = True
    frees: bool = True
    max_streams: bool | None = True
    head: int = 200
    without_length: str = "plays"


_ONE_BY_ONE = Facts(at_once=False, max_streams=None)
FACTS = {
    **dict.fromkeys(COMMANDS, Facts()),
    **dict.fromkeys(["gunicorn gevent_pywsgi", "pywsgi", "cheroot"], Facts()),
    **dict.fromkeys(["uwsgi", "granian"], Facts(without_length="502")),
    **dict.fromkeys(["flask without threads", "wsgiref"], replace(_ONE_BY_ONE, without_length="502")),
    **dict.fromkeys(["uvicorn, a2wsgi", "uvicorn wsgi"], Facts(frees=False, without_length="502")),
    "gunicorn sync": _ONE_BY_ONE,
    "uvicorn, asgiref": replace(_ONE_BY_ONE, frees=False, without_length="502"),
    "hypercorn wsgi": Facts(frees=False, head=500, without_length="502"),
}


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
        (directory / f"{module}.py").write_text(source + _ADAPTERS.get(name, ""))
        arguments = (COMMANDS | OTHERS)[name].format(port=port, module=module).split()
        adapter = [name.rpartition(", ")[2]] if name in _ADAPTERS else []
        for package in (arguments[0], *adapter, *(_PACKAGES[word] for word in arguments if word in _PACKAGES)):
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
