"""The app's own address, as the current request has it."""

from __future__ import annotations

from urllib.parse import quote

from flask import current_app, has_request_context, request
from werkzeug.exceptions import SecurityError
from werkzeug.wsgi import get_host

from ..links import public_address


def current_address() -> tuple[str, str, str]:
    """Scheme, host and path of the app in the current request.

    Raises:
        ValueError: there is no request.
        SecurityError: what the request says of them can't be part of a URL, or ``TRUSTED_HOSTS`` has no such host.
    """
    if not has_request_context():
        raise ValueError("host: outside a request it is needed, such as calls.example.com")
    # Flask 3.1 has looked at TRUSTED_HOSTS already; 3.0 does not know it.
    host = get_host(request.environ, current_app.config.get("TRUSTED_HOSTS"))
    root = quote(request.root_path.rstrip("/"))
    try:
        public_address(host, request.scheme, root)
    except ValueError as exc:
        raise SecurityError(str(exc)) from None
    return request.scheme, host, root
