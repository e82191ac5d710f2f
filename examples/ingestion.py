"""Results ingestion: a finished call comes in, its recording is stored, and the CRM gets its link.

The recording comes with the call, is in storage already, or follows later. The CRM gets the link when the recording is
stored, and not before: many CRMs fetch a link once, and never again.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from flask import Blueprint, Response, make_response, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException

from cxb_recordings import RecordingService, RepositoryUnavailable

from . import login
from .calls import Calls
from .crm_client import CrmClient, CrmUnavailable
from .intake import MEDIA_TYPES, Refused, call_of, ending_of, key_of, known_ending, problem
from .sources import STORAGE, Sources
from .storage import RecordingStore, StorageRefused
from .waveform import measure

MOST_BYTES = 256 * 1024 * 1024  # of a request: four hours of telephone audio

_logger = logging.getLogger(__name__)


def blueprint(
    recordings: RecordingService, calls: Calls, crm: CrmClient, sources: Sources, *, secret: str
) -> Blueprint:
    """``POST /api/v1/calls`` and ``PUT …/recording``, for machines that know `secret` and for administrators."""
    machines = Blueprint("ingestion", __name__, url_prefix="/api/v1/calls")
    ingestion = Ingestion(recordings, calls, crm, sources)
    _add_refusals(machines)

    @machines.before_request
    def guard() -> None:
        _require_machine_or_admin(secret)

    @machines.post("")
    def call() -> Response:
        session_id = ingestion.take_call(request.form, request.files.get("audio"))
        return make_response(ingestion.outcome(session_id), 201)

    @machines.put("/<session_id>/recording")
    def recording(session_id: str) -> Response:
        ingestion.take_recording(session_id, request.files.get("audio"))
        return make_response(ingestion.outcome(session_id))

    return machines


class Ingestion:
    """Takes in calls and their recordings. Raises :class:`.intake.Refused` for what it does not take."""

    def __init__(self, recordings: RecordingService, calls: Calls, crm: CrmClient, sources: Sources) -> None:
        """Store recordings where the settings of `recordings` say."""
        self._recordings = recordings
        self._calls = calls
        self._crm = crm
        self._sources = sources
        self._store = RecordingStore()

    def take_call(self, form: Mapping[str, str], audio: FileStorage | None) -> str:
        """Take in a finished call; returns its session id."""
        call = call_of(form)
        session_id: str = call["session_id"]
        if self._calls.find_by_session_id(session_id) is not None:
            raise Refused(409, "session_id", "there is such a call already")
        call |= self._recording_of(call, audio, form.get("recording_key"), form.get("audio_follows"))
        call["recording_filename"] = session_id + PurePosixPath(call["recording_key"]).suffix  # no names of people
        if not self._calls.insert(call):
            raise Refused(409, "session_id", "there is such a call already")
        return session_id

    def take_recording(self, session_id: str, audio: FileStorage | None) -> None:
        """Store the recording of a call that came without."""
        call, document = self._calls.summary(session_id), self._calls.find_by_session_id(session_id)
        if call is None or document is None:
            raise Refused(404, "session_id", "there is no such call")
        if call.is_stored or call.key is None:
            raise Refused(409, "audio", "the call's recording is stored already")
        if audio is None:
            raise Refused(400, "audio", "a file is needed")
        self._calls.note(session_id, self._stored(document, audio, call.key))

    def outcome(self, session_id: str) -> dict[str, str | None]:
        """The reply about a call for a machine: its link, which the CRM gets too as soon as it plays."""
        self._calls.ensure_token(session_id)  # minted once; every listener's link is made of it
        return {"session_id": session_id, "recording_url": self._crm.link(session_id), "crm": self._tell(session_id)}

    def _tell(self, session_id: str) -> str:
        """Send the CRM the link if it plays; returns in words whether it was told."""
        call = self._calls.find_by_session_id(session_id) or {}
        found = self._recordings.availability(call)
        if found.status == "missing":
            return "told when the recording is stored"
        try:
            if not found:
                raise CrmUnavailable(f"the recording is {found.status}")
            self._crm.push(session_id)
        except CrmUnavailable as error:  # the call is safe; the CRM can be told later
            _logger.warning("the CRM did not get %s: %s", session_id, error)
            return f"not told: {error}"
        return "told"

    def _recording_of(
        self, call: Mapping[str, Any], audio: FileStorage | None, key: str | None, follows: str | None
    ) -> dict[str, Any]:
        """The fields of a call's document that concern its recording, which is stored where it came along."""
        if [audio, key, follows].count(None) != 2:
            raise Refused(400, "audio", "a file, or recording_key, or audio_follows, and only one of them, is needed")
        if key is not None:
            return {"recording_key": key_of(key), "places": _places({**call, "recording_key": key}, self._sources)}
        if audio is not None:
            new = _new_key(call, ending_of(audio))
            return {"recording_key": new, **self._stored(call, audio, new)}
        return {"recording_key": _new_key(call, known_ending(follows or "", "audio_follows", "one of")), "places": []}

    def _stored(self, call: Mapping[str, Any], audio: FileStorage, key: str) -> dict[str, Any]:
        """Store a call's file under a key; returns what the call's document says of it from now on."""
        ending = ending_of(audio)
        if not key.endswith(f".{ending}"):
            raise Refused(415, "audio", f"a file whose name ends in .{key.rpartition('.')[2]} is needed for this call")
        storage = self._recordings.settings(call).storage  # the bucket of the call's tenant
        if storage is None:
            raise Refused(503, "audio", "storage is not configured")
        measured = measure(audio.stream) if ending == "wav" else {}
        audio.stream.seek(0)
        try:
            self._store.put(storage, key, audio.stream, MEDIA_TYPES[ending])
        except StorageRefused as error:
            _logger.warning("storage did not take %s: %s", key, error)
            raise Refused(503, "audio", "storage does not take it at the moment; nothing was stored") from None
        return {"places": [STORAGE], **measured}


def _new_key(call: Mapping[str, Any], ending: str) -> str:
    # The random part: of two requests with one session id, the one that comes too late must not overwrite anything.
    return f"calls/{call['started_at']:%Y/%m}/{call['session_id']}-{secrets.token_hex(4)}.{ending}"


def _places(call: Mapping[str, Any], sources: Sources) -> list[str]:
    """Where a recording is stored that was not uploaded here."""
    found = sources.holding(call)
    places = [source.name for source in found if source.holding == "has it"]
    if places:
        return places
    if any(source.holding == "can't be reached" for source in found):
        raise Refused(503, "recording_key", "not every source can be reached at the moment, and no other one has it")
    raise Refused(404, "recording_key", "no source has such a recording")


def _require_machine_or_admin(secret: str) -> None:
    given = request.headers.get("X-Ingestion-Secret")
    if given is not None:
        if not hmac.compare_digest(given.encode(), secret.encode()):
            raise Refused(401, "X-Ingestion-Secret", "it is wrong")
        return
    refusal = login.refusal()
    if refusal is not None:
        status, detail = refusal
        raise Refused(status, "Authorization", f"X-Ingestion-Secret or an administrator's token is needed. {detail}")


def _add_refusals(machines: Blueprint) -> None:
    """Whatever is refused is a problem that names the field."""

    @machines.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        return problem(error.status, str(error), error.field)

    @machines.errorhandler(RepositoryUnavailable)
    def without_database(_: RepositoryUnavailable) -> Response:
        return problem(503, "The calls can't be reached at the moment; nothing was taken in.")

    @machines.errorhandler(HTTPException)
    def malformed(error: HTTPException) -> Response:
        if error.code == 413:
            return problem(413, f"audio: {MOST_BYTES} bytes at most, and fields of a few characters", "audio")
        return problem(error.code or 400, "The request can't be read as a form.")
