"""Which WSGI servers let a client tell a body of unknown length that broke off from one that ended."""

from __future__ import annotations

from collections.abc import Mapping

from .stream_guard import START_RESPONSE

# What SERVER_SOFTWARE begins with. Each sends such a body in chunks, and no last chunk where the body raises; the tests
# run them. Not these: uWSGI and wsgiref send no chunks; granian (and uWSGI's router with http-auto-chunked) sends the
# last chunk after a break, too; of an ASGI server behind asgiref's adapter nothing is known.
_KNOWN = ("gunicorn", "gevent/", "waitress", "Cheroot/")


def shows_breaks(environ: Mapping[str, object]) -> bool:
    """Whether the server that made a WSGI environment is known to show a break by chunks (RFC 9112 §8)."""
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1":  # HTTP/1.0 knows no chunks
        return False
    if getattr(environ.get(START_RESPONSE), "__module__", None) == "werkzeug.test":  # the test client: a break raises
        return True
    software = str(environ.get("SERVER_SOFTWARE", ""))
    if software.startswith("Werkzeug/"):  # Flask's own server: without threads it answers by HTTP/1.0
        return bool(environ.get("wsgi.multithread") or environ.get("wsgi.multiprocess"))
    return software.startswith(_KNOWN)
