"""Why a server could not be reached: its name, the connection, the scheme, or TLS; for the operator.

What a reply means is not judged here: there was none.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

from urllib3.exceptions import ConnectTimeoutError, ReadTimeoutError

from ..endpoints import DEFAULT_PORTS
from ..errors import SourceUnavailable
from ..findings import Check, Finding
from .failures import causes

SECONDS = 1.5  # for each step of a probe: the server has just taken a connection

_LOOK = "look whether it runs, and at firewalls, host and port"
# The first kind that is among the causes: what was seen, what to do, and whether the port may speak the other scheme.
_STEPS: tuple[tuple[type[BaseException], str, str, bool], ...] = (
    (socket.gaierror, "the name {host} does not resolve", "correct the host name, or this machine's DNS", False),
    (
        ssl.SSLCertVerificationError,
        "its certificate is not valid here",
        "renew the certificate, correct the host name, or pass the private CA as ca_bundle to register()",
        False,
    ),
    (ssl.SSLError, "it is reached, and TLS fails", "look at the server's TLS settings", True),
    (ConnectionRefusedError, "nothing listens on that port", _LOOK, False),
    (ConnectTimeoutError, "no connection in time", "look at firewalls, host and port: packets may be dropped", False),
    (ReadTimeoutError, "it takes the connection and does not answer", "look at the server's own log and load", True),
    (TimeoutError, "no answer in time", "look at firewalls, host and port", True),
    (FileNotFoundError, "the CA file of ca_bundle is not there", "correct ca_bundle in register()", False),
    (BaseException, "the connection breaks, or what answers is no HTTP", _LOOK, True),
)


def unreachable(of: Check, subject: str, url: str, exc: SourceUnavailable) -> Finding:
    """Which step failed where no reply came.

    Args:
        of: the check.
        subject: what was looked at, where that is not the check's name.
        url: the server's, as it is configured.
        exc: what was raised.
    """
    found = list(causes(exc))
    _, step, remedy, is_open = next(row for row in _STEPS if any(isinstance(cause, row[0]) for cause in found))
    reason = f" ({exc.reason})"
    certificate = next((cause for cause in found if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if certificate is not None:
        reason = f": {certificate.verify_message}"  # OpenSSL's own words, which are about names and dates
    elif is_open and (wrong := wrong_scheme(url)):
        (step, remedy), reason = wrong, ""
    at = "" if subject == url else f"{url}: "
    seen = f"{at}{step.format(host=urlsplit(url).hostname)}{reason}"
    return Finding("failure", of, seen, remedy, subject=subject)


def wrong_scheme(url: str) -> tuple[str, str] | None:
    """What was seen, and what to do, where the port of `url` speaks the other scheme; None where it does not."""
    parts = urlsplit(url)
    place = (parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
    if parts.scheme == "https" and _speaks_http(place):
        return "plain http is spoken on that port, and the URL says https", "write http://, or use the port for https"
    if parts.scheme == "http" and _speaks_tls(place):
        return "https is spoken on that port, and the URL says http", "write https:// in place of http://"
    return None


def _speaks_tls(place: tuple[str, int]) -> bool:
    """Whether a TLS handshake gets as far as a certificate. Nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody: a certificate ends the handshake
    try:
        with socket.create_connection(place, SECONDS) as plain, context.wrap_socket(plain, server_hostname=place[0]):
            return True
    except ssl.SSLCertVerificationError:
        return True
    except (OSError, ValueError):  # ValueError: a host name that IDNA does not take
        return False


def _speaks_http(place: tuple[str, int]) -> bool:
    """Whether a request in plain HTTP is answered by HTTP: one without a path, a key or a secret.

    A server for https answers so, too, with a 400: it is asked for TLS before.
    """
    if _speaks_tls(place):
        return False
    with suppress(OSError, ValueError), socket.create_connection(place, SECONDS) as plain:
        plain.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
        return plain.recv(5) == b"HTTP/"
    return False
