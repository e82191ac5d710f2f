"""One recording through every step: the call, its key, each source. Nothing is downloaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from ..calls.repository import Call, CallRepository, recording_key_from_call
from ..calls.tokens import is_well_formed
from ..endpoints import find_object
from ..errors import NotARecording, RecordingArchived, RecordingMissing, SourceUnavailable
from ..findings import Finding
from ..links import crm_url_problem
from ..playback.opening import prove
from ..playback.pace import Pace
from ..playback.source import RecordingSource, key_is_askable
from ..service import RecordingService
from ..settings import SystemSettings
from .doctor import find_call, find_session, live_settings

READ_SECONDS = 10.0  # for the first bytes of a recording
RESTORE = "restore the object in storage (S3's RestoreObject); let no lifecycle rule archive what is still played"


def trace_session(service: RecordingService, call_repo: CallRepository, session_id: str) -> list[Finding]:
    """Follow the recording that the admin route would play.

    Returns:
        The findings in the order of the steps.
    """
    return list(_trace(service, *find_session(call_repo, session_id)))


def trace_token(service: RecordingService, call_repo: CallRepository, token: str) -> list[Finding]:
    """Follow the recording that the public link with `token` would play; the token is in no finding.

    Returns:
        The findings in the order of the steps.
    """
    if not is_well_formed(token):
        seen = "the token is malformed: it never reaches the repository"
        return [Finding("failure", "call", seen, "look whether the link was clipped or quoted on its way")]
    remedy = "look whether the link is whole; trace the call by --session-id, and give it a link with `rotate`"
    seen = "the token opens no call: it is unknown, revoked or expired"
    return list(_trace(service, *find_call(lambda: call_repo.find_by_access_token(token), seen, remedy)))


def _trace(service: RecordingService, call: Call | None, absence: list[Finding]) -> Iterator[Finding]:
    yield from absence
    if call is None:
        return
    yield Finding("ok", "call", f"session id {call.get('session_id')!r}")
    key = recording_key_from_call(call)
    settings, findings = live_settings(service, call)
    yield from findings
    yield from _check_key(call, key)
    if key is not None and settings is not None and key_is_askable(key):
        yield from _check_sources(service, settings, key, call)
    yield from _check_stored_url(call, settings)


def _check_key(call: Call, key: str | None) -> Iterator[Finding]:
    if key is None:
        seen = "the call has neither a recording_key nor a recording_url whose path ends in one"
        yield Finding("failure", "key", seen, "store the recording_key with the call")
        return
    field = "recording_key" if call.get("recording_key") == key else "recording_url"
    if "://" in key:  # not shown: it may be signed
        seen = f"{field} gives a URL in place of a key"
        yield Finding("failure", "key", seen, "store the recording_key as it is in storage: without scheme and host")
        return
    if not key_is_askable(key):
        seen = f"{field} gives {key!r}, which no recording can have"
        yield Finding("failure", "key", seen, "store the recording_key as it is in storage")
        return
    yield Finding("ok", "key", f"{key!r} from {field}")


def _check_sources(service: RecordingService, settings: SystemSettings, key: str, call: Call) -> Iterator[Finding]:
    findings: list[Finding] = []
    for section in settings.sections:
        if not section.sources:
            findings += section.kind.trace_absence(section)
        make = section.kind.connect(service.options.transport())
        for each in section.sources:
            source = make(each)
            findings.append(_ask(source, key, partial(section.kind.explain, each, name=source.name)))
    yield from findings
    yield _verdict(findings, settings, key, call)


def _ask(source: RecordingSource, key: str, failure: Callable[[SourceUnavailable], Finding]) -> Finding:
    """Ask for the first bytes as playback does: a HEAD has neither the reason of a refusal nor the content."""
    began = time.monotonic()
    try:
        info, span = prove(source, key, Pace(READ_SECONDS, time.monotonic, began + READ_SECONDS))
    except RecordingArchived as exc:
        return Finding("warning", source.name, str(exc), RESTORE, 403, time.monotonic() - began)
    except RecordingMissing as exc:
        return Finding("ok", source.name, str(exc), http_status=404, seconds=time.monotonic() - began)
    except NotARecording as exc:
        remedy = (
            "look whether the address leads to the source: something else answers, such as a console or a login page"
        )
        return Finding("failure", source.name, exc.reason, remedy, seconds=time.monotonic() - began)
    except SourceUnavailable as exc:
        return replace(failure(exc), seconds=time.monotonic() - began)
    seconds = time.monotonic() - began
    if info.length == 0:
        remedy = "the recording is empty there: look at how it was uploaded"
        return Finding("warning", source.name, "has it, without a single byte", remedy, 416, seconds, 0)
    if span is None:
        remedy = "a proxy in front of it may drop Range: seeking reads from the beginning"
        return Finding("warning", source.name, "has it, and ignores ranges", remedy, 200, seconds, info.length)
    return Finding("ok", source.name, "has it", "", 206, seconds, info.length)


def _verdict(findings: list[Finding], settings: SystemSettings, key: str, call: Call) -> Finding:
    has_failed = any(finding.status == "failure" for finding in findings)
    is_archived = any(finding.remedy == RESTORE for finding in findings)
    # An empty recording counts where every other source has none.
    statuses = (200, 206) if has_failed or is_archived else (200, 206, 416)
    having = next((finding.check for finding in findings if finding.http_status in statuses), None)
    if having is not None:
        return Finding("ok", "recording", f"it plays, from {having}")
    seen = "no source has it"
    if has_failed:
        return Finding("failure", "recording", "no source that answers has it", "mend the sources that failed first")
    if is_archived:
        return Finding("failure", "recording", "only an archive of storage has it", RESTORE)
    if not settings.sources:
        seen = "there is no source at all"
    remedy = "look whether the upload finished, and under which key"
    storage = settings.storage
    place = (storage.endpoint_url, storage.bucket) if storage else ()
    in_url = find_object(call.get("recording_url"), *place)
    if in_url is not None and in_url != key and key_is_askable(in_url):
        remedy = "the recording_url's whole path names another key: store that as the recording_key"
    return Finding("failure", "recording", seen, remedy)


def _check_stored_url(call: Call, settings: SystemSettings | None) -> Iterator[Finding]:
    url = call.get("recording_url")
    if url is None:
        return
    problem = crm_url_problem(url, settings)
    if problem is None:
        yield Finding("ok", "stored recording_url", "nothing speaks against sending it to a CRM")
        return
    remedy = "send the CRM the link that `flask recordings link` prints"
    yield Finding("warning", "stored recording_url", f"must not go to a CRM: {problem}", remedy)
