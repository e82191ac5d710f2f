"""The host's calls: what the library needs of them, and what a table of them shows.

The library's repositories find a call and keep its token; the rest of a call is the host's own.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

import pymongo
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from cxb_recordings import (
    CallRepository,
    InMemoryCallRepository,
    MongoCallRepository,
    RepositoryUnavailable,
    TokenStore,
    recording_key_from_call,
)
from cxb_recordings.calls.repository import Call

MOST = 500  # calls in the table: a real host pages in its database
_SECONDS = 5  # for one question to the database
_FIELDS = (
    *("session_id", "recording_key", "recording_url", "recording_filename"),
    *("tenant", "caller", "agent", "started_at", "seconds", "places"),
)
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)  # one that needs no quoting in a URL


@dataclass(frozen=True, slots=True)
class CallSummary:
    """A call as pages show it.

    Attributes:
        key: the storage key of its recording; None where there is none.
        filename: what clients call its recording, in the link and where they save it; None where the call has no such
            name.
        tenant: whose bucket its recording is in; empty for the bucket of all others.
        seconds: the recording's duration; None where nobody measured it.
        places: where the recording is stored, in words; empty while it is not stored yet, None where nobody noted it.
        peaks: its recording's shape (see :func:`.waveform.measure`); empty in the table, and where nobody measured.
        is_revoked: whether its public link was taken back.
    """

    session_id: str
    key: str | None = None
    filename: str | None = None
    tenant: str = ""
    caller: str = ""
    agent: str = ""
    started_at: datetime | None = None
    seconds: float | None = None
    places: tuple[str, ...] | None = None
    peaks: tuple[int, ...] = ()
    is_revoked: bool = False

    @property
    def is_stored(self) -> bool:
        """Whether its recording is stored; taken for granted where nobody noted it."""
        return self.places is None or bool(self.places)

    @classmethod
    def of(cls, call: Call) -> CallSummary:
        """Read a stored call, in which any field may be missing or of another type."""
        started_at, seconds, places = call.get("started_at"), call.get("seconds"), call.get("places")
        peaks, filename = call.get("peaks"), call.get("recording_filename")
        if not isinstance(started_at, datetime):
            started_at = None
        elif started_at.tzinfo is None:  # as it comes out of MongoDB, which keeps UTC
            started_at = started_at.replace(tzinfo=timezone.utc)
        return cls(
            session_id=call["session_id"],
            key=recording_key_from_call(call),
            filename=filename if isinstance(filename, str) and _FILE_NAME.fullmatch(filename) else None,
            tenant=str(call.get("tenant") or ""),
            caller=str(call.get("caller") or ""),
            agent=str(call.get("agent") or ""),
            started_at=started_at,
            seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
            places=tuple(map(str, places)) if isinstance(places, list) else None,
            peaks=tuple(peak for peak in peaks if isinstance(peak, int)) if isinstance(peaks, list) else (),
            is_revoked=bool(call.get("recording_access_revoked")),
        )


class Calls(CallRepository, TokenStore, Protocol):
    """The calls of this host. Whatever asks a database raises ``RepositoryUnavailable`` where that is away."""

    def newest(self) -> list[CallSummary]:
        """The newest calls, :data:`MOST` at most."""

    def summary(self, session_id: str) -> CallSummary | None:
        """One call; None where it is unknown."""

    def insert(self, call: dict[str, Any]) -> bool:
        """Store a new call; False where its session id is taken."""

    def note(self, session_id: str, fields: Mapping[str, Any]) -> None:
        """Note more of a call that is stored: the recording that followed."""


class MemoryCalls(InMemoryCallRepository):
    """Calls in memory."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        """Start with `calls`."""
        super().__init__()
        self._inserting = threading.Lock()
        self._noted: dict[str, Mapping[str, Any]] = {}  # by session id, in the order in which the calls came
        for call in calls:
            self.insert(dict(call))

    def newest(self) -> list[CallSummary]:
        """See :meth:`Calls.newest`."""
        newest = [*self._noted][: -MOST - 1 : -1]
        return [call for session_id in newest if (call := self.summary(session_id))]

    def summary(self, session_id: str) -> CallSummary | None:
        """See :meth:`Calls.summary`."""
        call = self.find_by_session_id(session_id)
        return None if call is None else CallSummary.of({**call, **self._noted.get(session_id, {})})

    def insert(self, call: dict[str, Any]) -> bool:
        """See :meth:`Calls.insert`."""
        session_id = call["session_id"]
        with self._inserting:
            if session_id in self._noted:
                return False
            self.add(call)
            self._noted[session_id] = {}
            return True

    def note(self, session_id: str, fields: Mapping[str, Any]) -> None:
        """See :meth:`Calls.note`."""
        self._noted[session_id] = dict(fields)


class MongoCalls(MongoCallRepository):
    """Calls in a MongoDB collection."""

    def __init__(self, collection: Collection[dict[str, Any]]) -> None:
        """Use `collection`."""
        super().__init__(collection, fields=("tenant",))  # what the settings provider looks at
        self._documents = collection
        self._shown = {"_id": False, "recording_access_revoked": True} | dict.fromkeys(_FIELDS, True)

    def newest(self) -> list[CallSummary]:
        """See :meth:`Calls.newest`."""
        try:
            with pymongo.timeout(_SECONDS):
                found = self._documents.find({"session_id": {"$type": "string"}}, self._shown)
                return [CallSummary.of(call) for call in found.sort("started_at", pymongo.DESCENDING).limit(MOST)]
        except PyMongoError as error:
            raise RepositoryUnavailable(f"MongoDB: {type(error).__name__}") from error

    def summary(self, session_id: str) -> CallSummary | None:
        """See :meth:`Calls.summary`."""
        if not session_id.isprintable():
            return None
        try:
            with pymongo.timeout(_SECONDS):
                call = self._documents.find_one({"session_id": session_id}, self._shown | {"peaks": True})
        except PyMongoError as error:
            raise RepositoryUnavailable(f"MongoDB: {type(error).__name__}") from error
        return None if call is None else CallSummary.of(call)

    def insert(self, call: dict[str, Any]) -> bool:
        """See :meth:`Calls.insert`."""
        try:
            with pymongo.timeout(_SECONDS):
                # One question: of two workers with one session id, one inserts.
                result = self._documents.update_one(
                    {"session_id": call["session_id"]}, {"$setOnInsert": call}, upsert=True
                )
        except PyMongoError as error:
            raise RepositoryUnavailable(f"MongoDB: {type(error).__name__}") from error
        return result.upserted_id is not None

    def note(self, session_id: str, fields: Mapping[str, Any]) -> None:
        """See :meth:`Calls.note`."""
        try:
            with pymongo.timeout(_SECONDS):
                self._documents.update_one({"session_id": session_id}, {"$set": dict(fields)})
        except PyMongoError as error:
            raise RepositoryUnavailable(f"MongoDB: {type(error).__name__}") from error
