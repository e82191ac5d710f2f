"""One recording through every step: the call, its link, its key, each source. Nothing is downloaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import unquote

from ..calls.repository import Call, CallRepository, Link, link_finder, recording_key_from_call
from ..calls.tokens import is_well_formed
from ..endpoints import find_object
from ..errors import RecordingArchived, RecordingMissing, SourceUnavailable
from ..findings import Check, Finding, Status, what
from ..links import crm_url_problem
from ..playback.opening import prove
from ..playback.pace import Pace
from ..playback.source import RecordingSource, key_is_askable
from ..service import RecordingService
from ..settings import SystemSettings
from ..sources.kind import FIRST_BYTE_SECONDS, SourceKind
from .doctor import NO_SOURCE, find_call, find_session, live_settings, made
from .probes import Ask, Probe, impatient, side_by_side
from .spellings import spellings

RESTORE = "restore the object in storage (S3's RestoreObject); let no lifecycle rule archive what is still played"
_NEW_LINK = "give the call a new link by `flask recordings rotate`, if it should have one"


def trace_session(service: RecordingService, call_repo: CallRepository, session_id: str) -> list[Finding]:
    """Follow the recording that the admin route would play, and tell the state of its public link.

    Returns:
        The findings in the order of the steps.
    """
    call, findings = find_session(call_repo, session_id)
    link = [] if call is None else list(_check_link(call_repo, session_id=session_id))
    return [*findings, *link, *_trace(service, call)]


def trace_token(service: RecordingService, call_repo: CallRepository, link: str) -> list[Finding]:
    """Follow the recording that a public link would play; its token is in no finding.

    Args:
        service: of the registration.
        call_repo: the registration's.
        link: the token, or the whole link.

    Returns:
        The findings in the order of the steps.
    """
    token, problem = token_of(link, service.options.public_url_prefix)
    if problem is not None:
        return [problem]
    remedy = "look whether the link is whole; trace the call by --session-id, and give it a link with `rotate`"
    seen = "the token opens no call: it is unknown, revoked or expired"
    if link_finder(call_repo):
        seen = "the token is no call's: it was replaced, revoked, or never minted"
    call, findings = find_call(lambda: call_repo.find_by_access_token(token), seen, remedy)
    states = list(_check_link(call_repo, token=token)) if findings and findings[0].of is Check.CALL else []
    closed = [finding for finding in states if finding.status != "ok"]
    if closed:  # of a call that is there, so that the token is not unknown
        return [replace(finding, status="failure") for finding in closed]
    return [*findings, *_trace(service, call)]


def token_of(link: str, prefix: str) -> tuple[str, Finding | None]:
    """The token in a public link, or in what is one by itself.

    Returns:
        The token; and, where it is none, the finding that says why.
    """
    token = link = link.strip()
    if "://" in link or f"{prefix}/" in link:
        rest = link.partition("?")[0].partition("#")[0].partition(f"{prefix}/")[2]
        token = unquote(rest.partition("/")[0])
        if not rest:
            seen = f"the link has no {prefix}/ in its path: it is no link of this registration"
            remedy = "look whether the link was clipped or replaced; `flask recordings link` prints it"
            return "", Finding("failure", Check.CALL, seen, remedy)
    if not is_well_formed(token):
        seen = "the token is malformed: it never reaches the repository"
        remedy = "look whether the link was clipped or quoted on its way"
        return "", Finding("failure", Check.CALL, seen, remedy)
    return token, None


def _check_link(call_repo: CallRepository, **of_call: str) -> Iterator[Finding]:
    """The state of a call's public link, from a repository that can tell it."""
    finder = link_finder(call_repo)
    if finder is None:
        return
    try:
        link = finder.find_link(**of_call)
    except Exception as exc:  # noqa: BLE001 - the repository is the host's code and may raise anything
        yield Finding("failure", Check.REPOSITORY, f"it raised {what(exc)}", "look whether the database runs")
        return
    if link is not None:
        yield _state_of(link)


def _state_of(link: Link) -> Finding:
    until = f"{link.expires_at:%Y-%m-%d %H:%M:%S %Z}".strip() if link.expires_at else ""
    if link.state == "open":
        return Finding("ok", Check.LINK, f"open until {until}" if until else "open")
    if link.state == "never minted":
        return Finding("ok", Check.LINK, "never minted: the call has no public link")
    if link.state == "expired":
        return Finding("warning", Check.LINK, f"the public link expired{until and f' at {until}'}", _NEW_LINK)
    return Finding("warning", Check.LINK, "the public link is revoked: it answers 404", _NEW_LINK)


def _trace(service: RecordingService, call: Call | None) -> Iterator[Finding]:
    if call is None:
        return
    yield Finding("ok", Check.CALL, f"session id {call.get('session_id')!r}")
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
        yield Finding("failure", Check.KEY, seen, "store the recording_key with the call")
        return
    field = "recording_key" if call.get("recording_key") == key else "recording_url"
    if "://" in key:  # not shown: it may be signed
        seen = f"{field} gives a URL in place of a key"
        remedy = "store the recording_key as it is in storage: without scheme and host"
        yield Finding("failure", Check.KEY, seen, remedy)
        return
    if not key_is_askable(key):
        seen = f"{field} gives {key!r}, which no recording can have"
        yield Finding("failure", Check.KEY, seen, "store the recording_key as it is in storage")
        return
    yield Finding("ok", Check.KEY, f"{key!r} from {field}")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A source, its kind, and its settings."""

    kind: SourceKind[Any, Any]
    settings: Any
    source: RecordingSource

    def probe(self, ask: Ask) -> Probe:
        return Probe(self.kind.found, self.source.name, ask)

    def ask(self, key: str) -> Iterator[Finding]:
        """Ask for the first bytes as playback does: a HEAD has neither the reason of a refusal nor the content."""
        began = time.monotonic()
        try:
            info, span = prove(self.source, key, Pace(FIRST_BYTE_SECONDS, time.monotonic, began + FIRST_BYTE_SECONDS))
        except RecordingArchived as exc:
            seconds = time.monotonic() - began
            yield replace(self._found("warning", str(exc), RESTORE, 403, seconds), of=Check.STORAGE_STATE)
            return
        except RecordingMissing as exc:
            seconds = time.monotonic() - began
            found = self.kind.explain_absence(self.settings, self.source, key)
            seen = str(exc).removeprefix(f"{self.source.name} ")
            yield found or self._found("ok", seen, "", 404, seconds)
            return
        except SourceUnavailable as exc:
            seconds = time.monotonic() - began
            found = self.kind.explain(self.settings, self.source, key, exc)
            yield replace(found, http_status=exc.status, seconds=seconds, request_id=found.request_id or exc.request_id)
            return
        seconds = time.monotonic() - began
        if info.length == 0:
            remedy = "the recording is empty there: look at how it was uploaded"
            yield self._found("warning", "has it, without a single byte", remedy, 416, seconds, 0)
        elif span is None:
            remedy = "a proxy in front of it may drop Range: seeking reads from the beginning"
            yield self._found("warning", "has it, and ignores ranges", remedy, 200, seconds, info.length)
        else:
            yield self._found("ok", "has it", "", 206, seconds, info.length)

    def _found(
        self, status: Status, seen: str, remedy: str, http_status: int, seconds: float, length: int | None = None
    ) -> Finding:
        name = self.source.name
        return Finding(status, self.kind.found, seen, remedy, http_status, seconds, length, subject=name)

    def spelled(self, key: str, others: tuple[str, ...]) -> Iterator[Finding]:
        """The first of `others`, and of the source's own similar keys, that the source has."""
        for other in (*self.kind.similar_keys(self.source, key), *others):
            try:
                self.source.describe(other)
            except (RecordingMissing, SourceUnavailable):
                continue
            seen = f"no source has it, but {self.source.name} has {other!r}"
            remedy = f"store {other!r} as the recording_key, or upload recordings under the key that calls have"
            yield Finding("failure", Check.RECORDING, seen, remedy)
            return


def _check_sources(service: RecordingService, settings: SystemSettings, key: str, call: Call) -> Iterator[Finding]:
    findings: list[Finding] = []
    asked: list[_Asked] = []
    for section in settings.sections:
        if not section.sources:
            findings += section.kind.trace_absence(section)
        of_kind = made(section, impatient(service.options.transport()))
        asked += [_Asked(section.kind, each, source) for each, source in of_kind]
    answers = side_by_side([each.probe(partial(each.ask, key)) for each in asked])
    findings += [finding for answer in answers for finding in answer]
    yield from findings
    yield _verdict(findings, settings) or _absence(asked, settings, key, call)


def _verdict(findings: list[Finding], settings: SystemSettings) -> Finding | None:
    """Whether the recording plays; None where each source says that it does not have it."""
    has_failed = any(finding.status == "failure" for finding in findings)
    is_archived = any(finding.remedy == RESTORE for finding in findings)
    # An empty recording counts where every other source has none.
    statuses = (200, 206) if has_failed or is_archived else (200, 206, 416)
    having = next((finding.check for finding in findings if finding.http_status in statuses), None)
    if having is not None:
        return Finding("ok", Check.RECORDING, f"it plays, from {having}")
    if has_failed:
        remedy = "mend the sources that failed first"
        return Finding("failure", Check.RECORDING, "no source that answers has it", remedy)
    if is_archived:
        return Finding("failure", Check.RECORDING, "only an archive of storage has it", RESTORE)
    return None if settings.sources else NO_SOURCE


def _absence(asked: list[_Asked], settings: SystemSettings, key: str, call: Call) -> Finding:
    """No source has the recording: whether one has it under another spelling of its key."""
    storage = settings.storage
    place = (storage.endpoint_url, storage.bucket) if storage else ()
    in_url = find_object(call.get("recording_url"), *place)
    others = spellings(key, in_url, storage.bucket if storage else "")
    for found in side_by_side([each.probe(partial(each.spelled, key, others)) for each in asked]):
        for finding in found:
            if finding.of is Check.RECORDING:
                return finding
    remedy = "look whether the upload finished, and under which key"
    if in_url is not None and in_url != key and key_is_askable(in_url):
        remedy = "the recording_url's whole path names another key: store that as the recording_key"
    return Finding("failure", Check.RECORDING, "no source has it", remedy)


def _check_stored_url(call: Call, settings: SystemSettings | None) -> Iterator[Finding]:
    url = call.get("recording_url")
    if url is None:
        return
    problem = crm_url_problem(url, settings)
    if problem is None:
        yield Finding("ok", Check.STORED_URL, "nothing speaks against sending it to a CRM")
        return
    remedy = "send the CRM the link that `flask recordings link` prints"
    yield Finding("warning", Check.STORED_URL, f"must not go to a CRM: {problem}", remedy)
