"""Whether a recording is there, as a value: the outcome of the search that playback makes for a HEAD.

Which source is asked when is decided in ``search``, what its head means in ``sources``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from .calls.repository import Call, recording_key_from_call
from .errors import RecordingArchived, RecordingMissing, RecordingUnreachable
from .playback.events import Event, SourceSkipped
from .playback.media_types import media_type
from .search import Search

Status = Literal["available", "missing", "archived", "unreachable"]


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a recording plays now. True, as a boolean, where it is available.

    Attributes:
        status: ``available``: a source has it. ``missing``: every source says that it does not have it, or the call has
            no key yet. ``archived``: only an archive of storage has it (such as S3 Glacier), and it must be restored
            first. ``unreachable``: no source has it, and at least one failed or was not asked in time; or the settings
            provider raised.
        source: the name of the source that has it; None unless it is available.
        length: bytes of the whole recording, 0 where an upload left an empty object; None where it is not available, or
            its source does not tell.
        media_type: the Content-Type that the link sends; None unless it is available.
        reasons: the name of each source that was asked in vain, and why it does not give the recording; in place of a
            source ``call``, ``key`` or ``settings``, where no source could be asked. They hold no secret and no key.
    """

    status: Status
    source: str | None = None
    length: int | None = None
    media_type: str | None = None
    reasons: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        """Whether it is available."""
        return self.status == "available"


def call_and_key(call_or_key: Call | str) -> tuple[Call | None, str | None]:
    """The call, where one is given, and the storage key, where there is one.

    Raises:
        TypeError: it is neither a call nor a key, such as the None of a repository that has no such call.
    """
    if isinstance(call_or_key, str):
        return None, call_or_key
    if isinstance(call_or_key, Mapping):
        return call_or_key, recording_key_from_call(call_or_key)
    raise TypeError(f"call_or_key: a call or a storage key is needed, not {type(call_or_key).__name__}")


def unaskable(key: str | None) -> Availability:
    """The outcome where no source can be asked: there is no key, or none that a recording can have."""
    if key is None:
        why = ("call", "it has no recording_key, and no recording_url whose path ends in one")
    else:
        why = ("key", "no recording can have it")
    return Availability("missing", reasons=(why,))


def outcome(search: Search) -> Availability:
    """What a search for a HEAD finds out; its events are told to nobody else."""
    reasons: dict[str, str] = {}

    def note(event: Event) -> None:
        if isinstance(event, SourceSkipped):
            reasons[event.source] = event.reason

    status: Status
    try:
        found = replace(search, tell=note).run()
    except RecordingArchived:
        status = "archived"
    except RecordingUnreachable:
        status = "unreachable"
    except RecordingMissing:
        status = "missing"
    else:
        reasons.pop(found.source, None)  # it failed at first, or what it has is empty
        kind = media_type(search.key, found.info.media_type)
        return Availability("available", found.source, found.info.length, kind, tuple(reasons.items()))
    return Availability(status, reasons=tuple(reasons.items()))
