"""What machines send to ingestion, field by field: checked, or refused with what is needed of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import PurePath
from typing import Any

from flask import Response
from werkzeug.datastructures import FileStorage

from cxb_recordings.playback.source import key_is_askable

from .tenants import TENANTS

# By file ending. Browsers don't play AMR, and the dashboard says so: convert it before it gets here.
MEDIA_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "ogg": "audio/ogg", "m4a": "audio/mp4", "amr": "audio/AMR"}
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LONGEST_NAME = 80  # characters of a caller's or an agent's name


class Refused(Exception):
    """Raised when something can't be taken in: with a status, the field at fault, and what is needed of it."""

    def __init__(self, status: int, field: str, needed: str) -> None:
        super().__init__(f"{field}: {needed}")
        self.status = status
        self.field = field


def call_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The call document, without its recording."""
    session_id = form.get("session_id", "")
    if not _SESSION_ID.fullmatch(session_id):
        raise Refused(400, "session_id", "1 to 64 letters, digits, '.', '_' and '-' are needed")
    call: dict[str, Any] = {"session_id": session_id, "started_at": _moment(form.get("started_at"))}
    for name in ("caller", "agent"):
        call[name] = form.get(name, "").strip()
        if len(call[name]) > _LONGEST_NAME or not call[name].isprintable():
            raise Refused(400, name, f"{_LONGEST_NAME} printable characters at most are needed")
    tenant = form.get("tenant")
    if tenant is not None:
        if tenant not in TENANTS:
            raise Refused(400, "tenant", f"one of {', '.join(TENANTS)} is needed")
        call["tenant"] = tenant
    seconds = form.get("seconds")
    if seconds is not None:
        if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", seconds, re.ASCII):
            raise Refused(400, "seconds", "a number of seconds is needed, such as 61.5")
        call["seconds"] = float(seconds)
    return call


def ending_of(audio: FileStorage) -> str:
    """The ending of a file that is not empty; nothing else of its name is used."""
    ending = known_ending(PurePath(audio.filename or "").suffix[1:], "audio", "a file whose name ends in", 415)
    if not audio.stream.read(1):
        raise Refused(400, "audio", "the file is empty")
    audio.stream.seek(0)
    return ending


def known_ending(text: str, field: str, needed: str, status: int = 400) -> str:
    """An ending of :data:`MEDIA_TYPES`, in lower case."""
    if text.lower() not in MEDIA_TYPES:
        raise Refused(status, field, f"{needed} .{', .'.join(MEDIA_TYPES)} is needed")
    return text.lower()


def key_of(text: str) -> str:
    """A storage key that can be asked for."""
    if not key_is_askable(text) or text.startswith("/") or "\\" in text:
        needed = "a storage key of 1 to 1024 bytes is needed, without '.' and '..' segments and control characters"
        raise Refused(400, "recording_key", needed)
    return text


def problem(status: int, detail: str, field: str | None = None) -> Response:
    """A reply in ``application/problem+json`` (RFC 9457)."""
    title = Response(status=status).status.partition(" ")[2]
    document = {"title": title, "status": status, "detail": detail} | ({"field": field} if field else {})
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Response(json.dumps(document), status=status, headers=headers, content_type="application/problem+json")


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(timezone.utc)
    try:
        moment = datetime.fromisoformat(text)
        if moment.utcoffset() is None:
            raise ValueError
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        needed = "a moment with its time zone is needed, such as 2026-05-12T09:41:00+00:00"
        raise Refused(400, "started_at", needed) from None
