"""Results ingestion: a finished call comes in, its recording is stored, and the CRM is told of it."""

from __future__ import annotations

import hmac
import json
import logging
import re
import secrets
import wave
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import PurePath
from typing import IO, Any

from flask import Blueprint, Response, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException

from cxb_recordings import RecordingService, RepositoryUnavailable
from cxb_recordings.playback.source import key_is_askable

from . import login
from .calls import Calls
from .crm_client import CrmClient, CrmUnavailable
from .sources import STORAGE, Sources
from .storage import RecordingStore, StorageRefused

MOST_BYTES = 256 * 1024 * 1024  # of a request: four hours of telephone audio
MEDIA_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "ogg": "audio/ogg", "m4a": "audio/mp4"}
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LONGEST_NAME = 80  # characters of a caller's or an agent's name

_logger = logging.getLogger(__name__)


class Refused(Exception):
    """Raised when a call can't be taken in: with a status, the field at fault, and what is needed of it."""

    def __init__(self, status: int, field: str, needed: str) -> None:
        super().__init__(f"{field}: {needed}")
        self.status = status
        self.field = field


def blueprint(
    recordings: RecordingService, calls: Calls, crm: CrmClient, sources: Sources, *, secret: str
) -> Blueprint:
    """``POST /api/v1/calls``, for machines that know `secret` and for administrators."""
    machines = Blueprint("ingestion", __name__)
    store = RecordingStore()

    @machines.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        return _problem(error.status, str(error), error.field)

    @machines.errorhandler(RepositoryUnavailable)
    def without_database(_: RepositoryUnavailable) -> Response:
        return _problem(503, "The calls can't be reached at the moment; this one was not taken in.")

    @machines.errorhandler(HTTPException)
    def malformed(error: HTTPException) -> Response:
        if error.code == 413:
            return _problem(413, f"audio: {MOST_BYTES} bytes at most, and fields of a few characters", "audio")
        return _problem(error.code or 400, "The request can't be read as a form.")

    @machines.post("/api/v1/calls")
    def ingest() -> Response:
        _require_machine_or_admin(secret)
        call = _call_of(request.form)
        session_id, audio, key = call["session_id"], request.files.get("audio"), request.form.get("recording_key")
        if (audio is None) == (key is None):
            raise Refused(400, "audio", "either a file, or recording_key for one that is stored already, is needed")
        if calls.find_by_session_id(session_id) is not None:
            raise Refused(409, "session_id", "there is such a call already")
        if audio is not None:
            call |= _stored(audio, call, recordings, store)
        else:
            call |= {"recording_key": key, "places": _places(key or "", sources)}
        if not calls.insert(call):
            raise Refused(409, "session_id", "there is such a call already")
        calls.ensure_token(session_id)  # minted once; what the CRM and every listener get is made of it
        answer = {"session_id": session_id, "recording_url": crm.link(session_id), "crm": "told"}
        try:
            crm.push(session_id)
        except CrmUnavailable as error:  # the call is safe; the CRM can be told later
            _logger.warning("the CRM was not told of %s: %s", session_id, error)
            answer["crm"] = f"not told: {error}"
        return Response(json.dumps(answer), status=201, mimetype="application/json")

    return machines


def _require_machine_or_admin(secret: str) -> None:
    given = request.headers.get("X-Ingestion-Secret")
    if given is not None:
        if not hmac.compare_digest(given.encode(), secret.encode()):
            raise Refused(401, "X-Ingestion-Secret", "it is wrong")
        return
    refusal = login.refusal()
    if refusal is not None:
        status, why = refusal
        raise Refused(status, "Authorization", f"X-Ingestion-Secret or an administrator's token is needed. {why}")


def _call_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The call document, without its recording."""
    session_id = form.get("session_id", "")
    if not _SESSION_ID.fullmatch(session_id):
        raise Refused(400, "session_id", "1 to 64 letters, digits, '.', '_' and '-' are needed")
    call: dict[str, Any] = {"session_id": session_id, "started_at": _moment(form.get("started_at"))}
    for name in ("caller", "agent"):
        call[name] = form.get(name, "").strip()
        if len(call[name]) > _LONGEST_NAME or not call[name].isprintable():
            raise Refused(400, name, f"{_LONGEST_NAME} printable characters at most are needed")
    seconds = form.get("seconds")
    if seconds is not None:
        if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", seconds, re.ASCII):
            raise Refused(400, "seconds", "a number of seconds is needed, such as 61.5")
        call["seconds"] = float(seconds)
    return call


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


def _stored(
    audio: FileStorage, call: Mapping[str, Any], recordings: RecordingService, store: RecordingStore
) -> dict[str, Any]:
    """Store a file; nothing but the ending of its name has a say in its key."""
    ending = PurePath(audio.filename or "").suffix[1:].lower()
    if ending not in MEDIA_TYPES:
        raise Refused(415, "audio", f"a file whose name ends in .{', .'.join(MEDIA_TYPES)} is needed")
    if not audio.stream.read(1):
        raise Refused(400, "audio", "the file is empty")
    audio.stream.seek(0)
    seconds = _wav_seconds(audio.stream) if ending == "wav" else None
    audio.stream.seek(0)
    storage = recordings.settings().storage
    if storage is None:
        raise Refused(503, "audio", "storage is not configured")
    # The random part: of two requests with one session id, the one that comes too late must not overwrite anything.
    key = f"calls/{call['started_at']:%Y/%m}/{call['session_id']}-{secrets.token_hex(4)}.{ending}"
    try:
        store.put(storage, key, audio.stream, MEDIA_TYPES[ending])
    except StorageRefused as error:
        _logger.warning("storage did not take %s: %s", key, error)
        raise Refused(503, "audio", "storage does not take it at the moment; nothing was stored") from None
    known = {} if seconds is None else {"seconds": seconds}
    return {"recording_key": key, "places": [STORAGE], **known}


def _places(key: str, sources: Sources) -> list[str]:
    if not key_is_askable(key) or key.startswith("/") or "\\" in key:
        needed = "a storage key of 1 to 1024 bytes is needed, without '.' and '..' segments and control characters"
        raise Refused(400, "recording_key", needed)
    found = sources.holding(key)
    places = [source.name for source in found if source.holding == "has it"]
    if places:
        return places
    if any(source.holding == "can't be reached" for source in found):
        raise Refused(503, "recording_key", "not every source can be reached at the moment, and no other one has it")
    raise Refused(404, "recording_key", "no source has such a recording")


def _wav_seconds(file: IO[bytes]) -> float | None:
    """The duration of a WAV file; None where it is not the plain kind."""
    try:
        with wave.open(file, "rb") as recording:
            seconds: float = recording.getnframes() / recording.getframerate()
            return seconds
    except (wave.Error, EOFError, ZeroDivisionError, RuntimeError):
        return None


def _problem(status: int, detail: str, field: str | None = None) -> Response:
    title = Response(status=status).status.partition(" ")[2]
    document = {"title": title, "status": status, "detail": detail} | ({"field": field} if field else {})
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Response(json.dumps(document), status=status, headers=headers, content_type="application/problem+json")
