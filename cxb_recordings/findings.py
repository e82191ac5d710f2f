"""What a check found, in words fit for an operator's screen. What is checked lives in ``doctor`` and ``trace``.

No finding holds a token, a secret or a signed URL.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from .errors import RecordingError, SourceUnavailable

Status = Literal["failure", "warning", "ok"]
_GRAVITY: tuple[Status, ...] = ("failure", "warning", "ok")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        status: ``ok``, ``warning`` (it works, and something is not as it should be) or ``failure``.
        check: what was looked at, such as ``storage region`` or a fleet host's URL.
        seen: what was seen.
        remedy: what to do; empty where there is nothing to do.
        http_status: of the source's reply, where one was asked for a recording.
        seconds: until that reply.
        length: bytes of the whole recording, where the source sent it.
    """

    status: Status
    check: str
    seen: str
    remedy: str = ""
    http_status: int | None = None
    seconds: float | None = None
    length: int | None = None


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Failures, then warnings, then the rest; within each as they came, causes before consequences."""
    return sorted(findings, key=lambda finding: _GRAVITY.index(finding.status))


def what(exc: BaseException) -> str:
    """An exception's name; its text only where it is one of this library's, which hold no secret."""
    return f"{type(exc).__name__}: {exc}" if isinstance(exc, RecordingError) else type(exc).__name__


def unreachable(check: str, url: str, exc: SourceUnavailable) -> Finding:
    """Which step failed where no reply came: the name, the connection, or TLS."""
    causes = []
    cause: BaseException | None = exc
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    host = urlsplit(url).hostname or url
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        step, remedy = f"the name {host} does not resolve", "correct the host name, or this machine's DNS"
    elif any(isinstance(cause, ssl.SSLError) for cause in causes):
        step = "it is reached, and TLS fails"
        remedy = "renew its certificate, or pass the private CA as ca_bundle to register(); is the port one for https?"
    else:
        step, remedy = "no connection, or no answer in time", "look whether it runs, and at firewalls, host and port"
    return Finding("failure", check, f"{url}: {step} ({exc.reason})", remedy)
