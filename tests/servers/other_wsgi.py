"""WSGI servers that have no ``python -m`` of their own: ``python -m tests.servers.other_wsgi KIND PORT MODULE``."""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> None:
    """Serve the `app` of a module."""
    kind, port, module = sys.argv[1:]
    if kind == "pyuwsgi":
        arguments = ["--http-socket", f"127.0.0.1:{port}", "--module", f"{module}:app", "--need-app", "--threads", "8"]
        import_module("pyuwsgi").run(arguments)
    if kind == "pywsgi":
        import_module("gevent.monkey").patch_all()
    app = import_module(module).app
    if kind == "pywsgi":
        import_module("gevent.pywsgi").WSGIServer(("127.0.0.1", int(port)), app).serve_forever()
    else:
        import_module("wsgiref.simple_server").make_server("127.0.0.1", int(port), app).serve_forever()


if __name__ == "__main__":
    main()
