"""The operational checks: each a function that asks the live parts one question and returns findings.

How findings are shown lives in ``output``; what happens to one recording in ``trace``. Whatever a part raises becomes
a finding.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

from ..calls.repository import Call, CallRepository, FindCall
from ..calls.tokens import mint_recording_access_token
from ..fields import MISSING
from ..findings import Check, Finding, Status, what
from ..playback.source import RecordingSource
from ..playback_urls import SHORTEST_KEY, PlaybackUrls, keys_and_faults
from ..service import RecordingService
from ..settings import NO_MAPPING, SystemSettings, read_settings
from ..sources.kind import Section
from ..sources.transport import Transport
from .probes import Probe, impatient, side_by_side

NO_SOURCE = Finding(
    "failure",
    Check.SOURCES,
    "there is none: neither object storage nor a fleet host",
    "configure minio, or cxbcore_fleet: until then nothing plays",
)
_DATABASE = "look whether the database runs and lets this process in; every playback gives 503 until then"


def diagnose(service: RecordingService, call_repo: CallRepository, session_id: str | None = None) -> list[Finding]:
    """Check settings, storage, fleet and repository; takes as long as the slowest part, some seconds at most.

    Args:
        service: of the registration.
        call_repo: the registration's.
        session_id: of the call whose settings are checked, for a settings provider that takes the call.

    Returns:
        The findings; :func:`~cxb_recordings.findings.worst_first` puts them in order.
    """
    call, findings = (None, []) if session_id is None else find_session(call_repo, session_id)
    settings: SystemSettings | None = None
    if not findings:
        settings, findings = live_settings(service, call)
    if settings is not None:
        findings += check_settings(settings)
        findings += check_sources(settings, impatient(service.options.transport()))
    return [*findings, *check_repository(call_repo), *check_playback_keys(service.playback_urls)]


def find_call(find: FindCall, absent: str, remedy: str) -> tuple[Call | None, list[Finding]]:
    """What `find` finds in the repository; None, with the finding that says why, where that is nothing.

    Args:
        find: asks the repository.
        absent: what it means that there is no such call.
        remedy: what to do then.
    """
    try:
        call = find()
    except Exception as exc:  # noqa: BLE001 - the repository is the host's code and may raise anything
        return None, [Finding("failure", Check.REPOSITORY, f"it raised {what(exc)}", _DATABASE)]
    return call, [] if call is not None else [Finding("failure", Check.CALL, absent, remedy)]


def find_session(call_repo: CallRepository, session_id: str) -> tuple[Call | None, list[Finding]]:
    """The call with a session id; see :func:`find_call`."""
    remedy = "look whether results ingestion stored the call, and under this very id"
    return find_call(lambda: call_repo.find_by_session_id(session_id), "no call has this session id", remedy)


def live_settings(service: RecordingService, call: Call | None = None) -> tuple[SystemSettings | None, list[Finding]]:
    """The settings as they are now; None, with the finding that says why, where the provider fails."""
    try:
        return read_settings(service.settings.document(call)), []
    except Exception as exc:  # noqa: BLE001 - the provider is the host's code and may raise anything
        remedy = "make the settings provider return the system settings; until then every playback fails"
        return None, [Finding("failure", Check.PROVIDER, f"it raised {what(exc)}", remedy)]


def check_settings(settings: SystemSettings) -> Iterator[Finding]:
    """Whether the settings are complete and well-formed: one finding for the fields with one fault."""
    until_then = {fault: section.kind.fault_means for section in settings.sections[::-1] for fault in section.faults}
    meant = {fault.meant: fault for fault in settings.misnamed}
    fields: dict[tuple[str, str], list[str]] = {}
    for fault in settings.faults:
        problem, verb = fault.problem, "add" if fault.problem == MISSING else "correct"
        if fault.problem == MISSING and (misnamed := meant.pop(fault.field, None)):
            problem, verb = f"missing: {misnamed.field} is there, and is not read", f"rename {misnamed.field} to"
        remedy = f"{verb} {{}} in the system settings; until then {until_then[fault]}"
        if fault.field == NO_MAPPING:
            remedy = "make the settings provider return the system settings; until then nothing plays"
        fields.setdefault((problem, remedy), []).append(fault.field)
    for (problem, remedy), names in fields.items():
        named = ", ".join(names)
        yield Finding("failure", Check.SETTINGS, problem, remedy.format(named), subject=named)
    for fault in meant.values():
        remedy = "correct the name in the system settings, or leave it away"
        status: Status = "warning" if settings.sources or settings.faults else "failure"
        yield Finding(status, Check.MISNAMED, fault.problem, remedy, subject=fault.field)
    if not settings.faults:
        yield Finding("ok", Check.SETTINGS, "every field that is there is well-formed")


def check_sources(settings: SystemSettings, transport: Transport) -> Iterator[Finding]:
    """What each kind of source finds of its sources, asked side by side."""
    probes = []
    for section in settings.sections:
        if not section.sources and settings.sources:
            yield from section.kind.check_absence(section)
        for each, source in made(section, transport):
            probes.append(Probe(section.kind.found, source.name, partial(section.kind.check, each, source)))
    if not settings.sources and not settings.faults and not settings.misnamed:
        yield NO_SOURCE
    for findings in side_by_side(probes):
        yield from findings


def made(section: Section[Any], transport: Transport) -> list[tuple[Any, RecordingSource]]:
    """The settings of each source of a section, and the source."""
    make = section.kind.connect(transport)
    return [(settings, make(settings)) for settings in section.sources]


def check_repository(call_repo: CallRepository) -> Iterator[Finding]:
    """Whether the repository answers, knows no call that can't exist, and has its indexes."""
    try:
        found = [
            call_repo.find_by_session_id(f"cxb-recordings-doctor-{uuid.uuid4().hex}"),
            call_repo.find_by_access_token(mint_recording_access_token()),
        ]
        # Optional: a repository of the host's own need not know of indexes.
        missing_indexes: list[str] = getattr(call_repo, "missing_indexes", list[str])()
    except Exception as exc:  # noqa: BLE001 - the repository is the host's code and may raise anything
        yield Finding("failure", Check.REPOSITORY, f"{type(call_repo).__name__} raised {what(exc)}", _DATABASE)
        return
    if found != [None, None]:
        remedy = "check its queries: any guess opens that call"
        yield Finding("failure", Check.REPOSITORY, "it finds a call for what can't exist", remedy)
    else:
        yield Finding("ok", Check.REPOSITORY, f"{type(call_repo).__name__} answers")
    if missing_indexes:
        seen = f"no index on {', '.join(missing_indexes)}: each playback reads every call"
        yield Finding("warning", Check.INDEXES, seen, "call ensure_indexes() at the worker's start")
    elif hasattr(call_repo, "missing_indexes"):
        yield Finding("ok", Check.INDEXES, "they are there")


def check_playback_keys(urls: PlaybackUrls | None) -> Iterator[Finding]:
    """Whether nobody can guess the keys of playback URLs, where there are such URLs."""
    if urls is None:
        return
    keys, faults = keys_and_faults(urls.config)
    for fault in faults:
        remedy = f"{SHORTEST_KEY} random bytes at least, such as secrets.token_hex(); no playback URL plays until then"
        yield Finding("failure", Check.PLAYBACK_KEYS, fault.problem, remedy, subject=fault.field)
    if not faults:
        yield Finding("ok", Check.PLAYBACK_KEYS, f"{len(keys)} keys, each of {SHORTEST_KEY} bytes at least")
