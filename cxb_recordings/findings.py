"""What a check found, in words fit for an operator's screen, and which checks there are.

No finding holds a token, a secret or a signed URL. What is checked lives in ``operations`` and with
each kind of source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from .errors import RecordingError

Status = Literal["failure", "warning", "ok"]
GRAVITY: tuple[Status, ...] = ("failure", "warning", "ok")


class Check(Enum):
    """What is looked at: its name, and its id, which stays and has a section in docs/operations.md.

    In the order of what a failure costs, most first, and causes before what follows from them: the order in which
    findings are shown. A new check gets a new number, wherever its place is.
    """

    REPOSITORY = "CXB001", "repository"
    PROVIDER = "CXB002", "settings provider"
    CALL = "CXB010", "call"
    LINK = "CXB011", "link"
    KEY = "CXB012", "key"
    JWT_TOKEN = "CXB021", "JWT token"
    JWT = "CXB020", "JWT"
    PLAYBACK_KEYS = "CXB022", "playback URLs"
    PUBLIC_ADDRESS = "CXB060", "public address"
    PUBLIC_REPLY = "CXB061", "public reply"
    SETTINGS = "CXB003", "settings"
    SOURCES = "CXB004", "sources"
    STORAGE_ENDPOINT = "CXB030", "storage endpoint"
    CLOCK = "CXB031", "clock"
    STORAGE_REGION = "CXB032", "storage region"
    STORAGE_CREDENTIALS = "CXB033", "storage credentials"
    STORAGE_BUCKET = "CXB034", "storage bucket"
    STORAGE_PERMISSION = "CXB035", "storage permission"
    STORAGE_STATE = "CXB036", "storage state"
    STORAGE_RANGE = "CXB037", "storage range"
    STORAGE_OBJECT = "CXB038", "storage"
    FLEET_HOST = "CXB040", "fleet host"
    SOURCE = "CXB050", "source"
    RECORDING = "CXB013", "recording"
    INDEXES = "CXB005", "repository indexes"
    PUBLIC_HEADERS = "CXB062", "public headers"
    PUBLIC_SCHEME = "CXB063", "public scheme"
    STORED_URL = "CXB014", "stored recording_url"
    MISNAMED = "CXB006", "misnamed field"
    STORAGE_EMPTY = "CXB039", "storage content"
    FLEET = "CXB041", "cxbcore_fleet"
    PLAIN_HTTP = "CXB042", "plain http"
    FLEET_SECRET = "CXB043", "fleet secret"

    @property
    def id(self) -> str:
        """Its stable id, such as ``CXB012``."""
        return self.value[0]

    @property
    def title(self) -> str:
        """Its name, such as ``storage region``."""
        return self.value[1]


_RANKS = {check: rank for rank, check in enumerate(Check)}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        status: ``ok``, ``warning`` (it works, and something is not as it should be) or ``failure``.
        of: the check.
        seen: what was seen.
        remedy: what to do; empty where there is nothing to do.
        http_status: of the source's reply, where one was asked for a recording.
        seconds: until that reply.
        length: bytes of the whole recording, where the source sent it.
        subject: what was looked at where the check's name does not say it, such as a fleet host's URL.
        request_id: the store's own ids of the request, for its operator; empty where it sent none.
    """

    status: Status
    of: Check
    seen: str
    remedy: str = ""
    http_status: int | None = None
    seconds: float | None = None
    length: int | None = None
    subject: str = ""
    request_id: str = ""

    @property
    def check(self) -> str:
        """What was looked at, in words."""
        return self.subject or self.of.title


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Failures, then warnings, then the rest; within each what costs most first, then as they came.

    Those that differ in their subject alone, such as several hosts that refuse the secret, are one finding.
    """
    subjects: dict[Finding, list[str]] = {}
    for finding in findings:
        subjects.setdefault(replace(finding, subject=""), []).append(finding.subject)
    joined = (replace(finding, subject=", ".join(filter(None, names))) for finding, names in subjects.items())
    return sorted(joined, key=lambda finding: (GRAVITY.index(finding.status), _RANKS[finding.of]))


def what(exc: BaseException) -> str:
    """An exception's name; its text only where it is one of this library's, which hold no secret."""
    return f"{type(exc).__name__}: {exc}" if isinstance(exc, RecordingError) else type(exc).__name__
