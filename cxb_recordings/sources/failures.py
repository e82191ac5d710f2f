"""What is behind an exception of a transport: of urllib3, requests, TLS or the operating system."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.client import HTTPException

from urllib3.exceptions import ProtocolError


def connection_broke(exc: BaseException) -> bool:
    """Whether a connection broke, where a transport failed: within TLS as without it."""
    if isinstance(exc, ProtocolError):
        return True
    tls = next((cause for cause in causes(exc) if isinstance(cause, ssl.SSLError)), None)
    is_end = isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return tls is not None and (is_end or (tls.reason or "").endswith("BAD_RECORD_MAC"))


def causes(exc: BaseException) -> Iterator[BaseException]:
    """An exception and those behind it; urllib3 and requests have some of them as an argument alone."""
    cause: BaseException | None = exc
    while cause is not None:
        yield cause
        held = next((argument for argument in cause.args if isinstance(argument, BaseException)), None)
        cause = cause.__cause__ or held or cause.__context__


def transport_failure(exc: BaseException) -> str:
    """Name a transport's failure for a log record: the kind, and the operating system's or TLS's own words.

    Never the exception's text: it may hold the URL, and with it the key.
    """
    kind = type(exc).__name__
    for cause in causes(exc):
        if isinstance(cause, OSError) and cause.strerror:
            return f"{kind}: {cause.strerror}"
        if isinstance(cause, HTTPException):
            return f"{kind}: {type(cause).__name__}"
    return kind
