"""Which servers are known to show a break, by what their WSGI environment says."""

from __future__ import annotations

import pytest
from flask import request

from cxb_recordings.web.chunking import shows_breaks

from .unruly_host import make_app


@pytest.mark.parametrize(
    ("environ", "known"),
    [
        ({"SERVER_SOFTWARE": "gunicorn/23.0.0"}, True),
        ({"SERVER_SOFTWARE": "gunicorn/23.0.0", "SERVER_PROTOCOL": "HTTP/1.0"}, False),
        ({"SERVER_SOFTWARE": "gunicorn/23.0.0", "SERVER_PROTOCOL": "HTTP/2"}, False),
        ({"SERVER_SOFTWARE": "gunicorn/23.0.0", "SERVER_PROTOCOL": ""}, False),
        ({"SERVER_SOFTWARE": "gevent/25.0 Python/3.11"}, True),
        ({"SERVER_SOFTWARE": "waitress"}, True),
        ({"SERVER_SOFTWARE": "Cheroot/10.0.1 Server"}, True),
        ({"SERVER_SOFTWARE": "Werkzeug/3.1.3", "wsgi.multithread": True}, True),
        ({"SERVER_SOFTWARE": "Werkzeug/3.1.3", "wsgi.multiprocess": True}, True),
        ({"SERVER_SOFTWARE": "Werkzeug/3.1.3", "wsgi.multithread": False, "wsgi.multiprocess": False}, False),
        ({"SERVER_SOFTWARE": "WSGIServer/0.2 CPython/3.11"}, False),
        ({"SERVER_SOFTWARE": "Granian"}, False),
        ({"SERVER_SOFTWARE": "Apache/2.4.57 mod_wsgi/5.0"}, False),
        ({"SERVER_SOFTWARE": "nginx/1.22 behind gunicorn"}, False),
        ({"SERVER_SOFTWARE": "", "HTTP_SERVER_SOFTWARE": "gunicorn/23.0.0"}, False),
        ({"uwsgi.version": b"2.0.30"}, False),
        ({}, False),
    ],
)
def test_only_servers_that_are_known_to_show_a_break_are_trusted_with_one(
    environ: dict[str, object], known: bool
) -> None:
    assert shows_breaks({"SERVER_PROTOCOL": "HTTP/1.1"} | environ) is known


def test_the_test_client_is_known_since_a_break_raises_there() -> None:
    app = make_app()
    app.add_url_rule("/known", "known", lambda: str(shows_breaks(request.environ)))
    assert app.test_client().get("/known").text == "True"
