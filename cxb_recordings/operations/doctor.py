"""The operational checks: each a function that asks the live parts one question and returns findings.

How findings are shown lives in ``commands``; what happens to one recording in ``trace``. Whatever a part raises becomes
a finding.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

from ..calls.repository import Call, CallRepository
from ..calls.tokens import mint_recording_access_token
from ..findings import Finding, what
from ..service import RecordingService
from ..settings import SystemSettings
from ..sources.transport import Transport


def diagnose(service: RecordingService, call_repo: CallRepository, session_id: str | None = None) -> list[Finding]:
    """Check settings, storage, fleet and repository; takes as long as the parts that don't answer.

    Args:
        service: of the registration; its options bound each attempt.
        call_repo: the registration's.
        session_id: of the call whose settings are checked, for a settings provider that takes the call.

    Returns:
        The findings in causal order.
    """
    call, findings = (None, []) if session_id is None else find_session(call_repo, session_id)
    settings: SystemSettings | None = None
    if not findings:
        settings, findings = live_settings(service, call)
    if settings is not None:
        findings += check_settings(settings)
        findings += check_sources(settings, service.options.transport())
    return [*findings, *check_repository(call_repo)]


def find_call(find: Callable[[], Call | None], absent: str, remedy: str) -> tuple[Call | None, list[Finding]]:
    """What `find` finds in the repository; None, with the finding that says why, where that is nothing.

    Args:
        find: asks the repository.
        absent: what it means that there is no such call.
        remedy: what to do then.
    """
    try:
        call = find()
    except Exception as exc:  # noqa: BLE001 - the repository is the host's code and may raise anything
        remedy = "look whether the database runs and lets this process in"
        return None, [Finding("failure", "call", f"the repository raised {what(exc)}", remedy)]
    return call, [] if call is not None else [Finding("failure", "call", absent, remedy)]


def find_session(call_repo: CallRepository, session_id: str) -> tuple[Call | None, list[Finding]]:
    """The call with a session id; see :func:`find_call`."""
    remedy = "look whether results ingestion stored the call, and under this very id"
    return find_call(lambda: call_repo.find_by_session_id(session_id), "no call has this session id", remedy)


def live_settings(service: RecordingService, call: Call | None = None) -> tuple[SystemSettings | None, list[Finding]]:
    """The settings as they are now; None, with the finding that says why, where the provider fails."""
    try:
        return service.settings(call), []
    except Exception as exc:  # noqa: BLE001 - the provider is the host's code and may raise anything
        remedy = "make the settings provider return the system settings; until then every playback fails"
        return None, [Finding("failure", "settings", f"the provider raised {what(exc)}", remedy)]


def check_settings(settings: SystemSettings) -> Iterator[Finding]:
    """Whether the settings are complete and well-formed."""
    until_then = {fault: section.kind.fault_means for section in settings.sections[::-1] for fault in section.faults}
    for fault in settings.faults:
        remedy = f"correct it in the system settings; until then {until_then[fault]}"
        yield Finding("failure", fault.field, fault.problem, remedy)
    for fault in settings.misnamed:
        yield Finding(
            "warning", fault.field, fault.problem, "correct the name in the system settings, or leave it away"
        )
    if not settings.faults:
        yield Finding("ok", "settings", "every field that is there is well-formed")


def check_sources(settings: SystemSettings, transport: Transport) -> Iterator[Finding]:
    """What each kind of source finds of its sources."""
    for section in settings.sections:
        if not section.sources:
            yield from section.kind.check_absence(section, has_others=bool(settings.sources))
        make = section.kind.connect(transport)
        for each in section.sources:
            yield from section.kind.check(each, make(each))


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
        remedy = "look whether the database runs and lets this process in; every playback gives 503 until then"
        yield Finding("failure", "repository", f"{type(call_repo).__name__} raised {what(exc)}", remedy)
        return
    if found != [None, None]:
        remedy = "check its queries: any guess opens that call"
        yield Finding("failure", "repository", "it finds a call for what can't exist", remedy)
    else:
        yield Finding("ok", "repository", f"{type(call_repo).__name__} answers")
    if missing_indexes:
        seen = f"no index on {', '.join(missing_indexes)}: each playback reads every call"
        yield Finding("warning", "repository indexes", seen, "call ensure_indexes() at the worker's start")
    elif hasattr(call_repo, "missing_indexes"):
        yield Finding("ok", "repository indexes", "they are there")
