"""Calls, their tokens and the system settings in MongoDB; the only importer of pymongo.

Connecting, and closing the client, is the host's. Every question has a deadline of a few seconds: the driver's own
patience is 30. Within it, pymongo repeats reads and single writes that failed (retryable reads and writes).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeGuard

import pymongo
from bson.errors import BSONError
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from ..errors import RepositoryUnavailable, SettingsError
from .repository import Call, Link, UtcClock, require_aware, utc_now
from .tokens import WELL_FORMED, is_well_formed, mint_recording_access_token

_SESSION = "session_id"
_TOKEN = "recording_access_token"  # the field's name  # noqa: S105  # nosec B105
_EXPIRES_AT = "recording_access_expires_at"
_REVOKED = "recording_access_revoked"

_PROJECTION = {"_id": False, "recording_key": True, "recording_url": True, "recording_filename": True, _SESSION: True}
_WITHOUT_TOKEN = {_TOKEN: {"$not": {"$regex": rf"\A{WELL_FORMED}\z"}}}  # PCRE; absent and null match, too
_NOT_REVOKED = {_REVOKED: {"$in": [None, False]}}  # absent, null or false; any other value closes the link

# Not by $type: the planner does not see that a string looked for is one, and would not use the index.
_TOKEN_INDEX = pymongo.IndexModel(_TOKEN, unique=True, partialFilterExpression={_TOKEN: {"$gt": ""}})
_SESSION_INDEX = pymongo.IndexModel(_SESSION)


class MongoCallRepository:
    """Calls in a MongoDB collection; also a :class:`~cxb_recordings.TokenStore`. Thread-safe.

    A call is a document with ``session_id``, ``recording_key``, ``recording_url`` and ``recording_filename``. Its
    tokens are in ``recording_access_token``, ``recording_access_expires_at`` and ``recording_access_revoked``.

    A session id should name one call, and nothing here forbids several: :meth:`find_by_session_id` gives any of them,
    :meth:`revoke`, :meth:`rotate` and :meth:`set_expiry` hold for all, so that no link is left open.

    Every method raises :class:`~cxb_recordings.RepositoryUnavailable` where the database is away or refuses.
    """

    def __init__(
        self,
        collection: Collection[Any],
        *,
        fields: Iterable[str] = (),
        timeout: float = 5.0,
        clock: UtcClock = utc_now,
    ) -> None:
        """Use `collection`; the database is not asked yet.

        Args:
            collection: the calls. A read preference other than primary may find a token for as long as the replica
                lags behind its revocation.
            fields: names of further fields that finds return, such as what a settings provider looks at.
            timeout: seconds for one method, retries included.
            clock: judges expiry; an aware datetime.

        Raises:
            ValueError: `timeout` is not positive, or `fields` are no names of fields.
        """
        _require_positive("timeout", timeout)
        names = ("",) if isinstance(fields, str) else tuple(fields)
        if not all(isinstance(name, str) and name.strip("$.") == name != "" for name in names):
            raise ValueError('fields: a tuple of field names is needed, such as ("tenant",)')
        self._projection = _PROJECTION | dict.fromkeys(names, True)
        self._collection = collection
        self._primary = collection.with_options(read_preference=pymongo.ReadPreference.PRIMARY)
        self._timeout = timeout
        self._clock = clock

    def find_by_session_id(self, session_id: str) -> Call | None:
        """See :meth:`cxb_recordings.CallRepository.find_by_session_id`."""
        if not _is_session_id(session_id):
            return None
        with _deadline(self._timeout):
            return self._collection.find_one({_SESSION: session_id}, self._projection)

    def find_by_access_token(self, token: str) -> Call | None:
        """See :meth:`cxb_recordings.CallRepository.find_by_access_token`.

        Unknown, revoked and expired are one and the same query. MongoDB keeps milliseconds: a link expires up to one of
        them early.
        """
        if not is_well_formed(token):
            return None
        unexpired = [{_EXPIRES_AT: None}, {_EXPIRES_AT: {"$gt": self._clock()}}]
        with _deadline(self._timeout):
            return self._collection.find_one({_TOKEN: token, "$or": unexpired} | _NOT_REVOKED, self._projection)

    def find_link(self, *, session_id: str | None = None, token: str | None = None) -> Link | None:
        """See :class:`cxb_recordings.calls.repository.LinkFinder`; asks the primary."""
        if not (_is_session_id(session_id) if token is None else is_well_formed(token)):
            return None
        wanted = {_SESSION: session_id} if token is None else {_TOKEN: token}
        with _deadline(self._timeout):
            call = self._primary.find_one(wanted, [_TOKEN, _EXPIRES_AT, _REVOKED])
        return None if call is None else Link.of(call, self._clock())

    def ensure_token(self, session_id: str) -> str | None:
        """See :meth:`cxb_recordings.TokenStore.ensure_token`; two workers at once end with one token."""
        if not _is_session_id(session_id):
            return None
        with _deadline(self._timeout):
            while (call := self._primary.find_one({_SESSION: session_id} | _NOT_REVOKED, [_TOKEN])) is not None:
                token = call.get(_TOKEN)
                if is_well_formed(token):
                    return token
                # Only in place of what was read; where another worker was quicker, its token is read next.
                minted = mint_recording_access_token()
                as_read = {"_id": call["_id"], _TOKEN: {"$eq": token}} | _NOT_REVOKED
                if self._primary.update_one(as_read, {"$set": {_TOKEN: minted}}).matched_count:
                    return minted
            return None

    def rotate(self, session_id: str) -> str | None:
        """See :meth:`cxb_recordings.TokenStore.rotate`."""
        if not _is_session_id(session_id):
            return None
        minted = mint_recording_access_token()
        change = {"$set": {_TOKEN: minted}, "$unset": {_REVOKED: "", _EXPIRES_AT: ""}}
        with _deadline(self._timeout):
            call = self._primary.find_one_and_update({_SESSION: session_id}, change, ["_id"])
            if call is None:
                return None
            others = {_SESSION: session_id, "_id": {"$ne": call["_id"]}}
            self._primary.update_many(others, {"$unset": {_TOKEN: ""}})
            return minted

    def revoke(self, session_id: str) -> bool:
        """See :meth:`cxb_recordings.TokenStore.revoke`."""
        return self._update(session_id, {"$unset": {_TOKEN: ""}, "$set": {_REVOKED: True}})

    def set_expiry(self, session_id: str, expires_at: datetime | None) -> bool:
        """See :meth:`cxb_recordings.TokenStore.set_expiry`."""
        require_aware(expires_at)
        if expires_at is None:
            return self._update(session_id, {"$unset": {_EXPIRES_AT: ""}})
        return self._update(session_id, {"$set": {_EXPIRES_AT: expires_at}})

    def sessions_without_token(self, after: str = "", limit: int = 1000) -> list[str]:
        """See :meth:`cxb_recordings.TokenStore.sessions_without_token`."""
        wanted = {_SESSION: {"$gt": after}} | _WITHOUT_TOKEN | _NOT_REVOKED
        with _deadline(self._timeout):
            found = self._primary.find(wanted, {"_id": False, _SESSION: True}).sort(_SESSION).limit(limit)
            return list(dict.fromkeys(call[_SESSION] for call in found))

    def ensure_indexes(self, *, build_timeout: float = 600.0) -> None:
        """Create the indexes that the finds need, where they are not there; safe at each worker's start.

        Tokens are unique, where there is one. Session ids are not made unique: the collection is the platform's, and
        may have good reasons, or old data, that speak against it. An index of the platform's own that begins with
        ``session_id`` is enough.

        Args:
            build_timeout: seconds for building them, which takes a large collection longer than a question.

        Raises:
            ValueError: `build_timeout` is not positive.
        """
        _require_positive("build_timeout", build_timeout)
        wanted = self._wanted_indexes()
        if wanted:
            with _deadline(build_timeout):
                self._primary.create_indexes(list(wanted.values()))

    def missing_indexes(self) -> list[str]:
        """The fields whose index :meth:`ensure_indexes` would create: without them each find reads every call."""
        return list(self._wanted_indexes())

    def _wanted_indexes(self) -> dict[str, pymongo.IndexModel]:
        with _deadline(self._timeout):
            existing = self._primary.index_information().values()
        wanted = {}
        if not any(index["key"] == [(_TOKEN, 1)] and index.get("unique") for index in existing):
            wanted[_TOKEN] = _TOKEN_INDEX
        if not any(index["key"][0][0] == _SESSION and "partialFilterExpression" not in index for index in existing):
            wanted[_SESSION] = _SESSION_INDEX
        return wanted

    def _update(self, session_id: object, change: Mapping[str, Any]) -> bool:
        if not _is_session_id(session_id):
            return False
        with _deadline(self._timeout):
            return self._primary.update_many({_SESSION: session_id}, change).matched_count > 0


class MongoSettingsProvider:
    """The system settings from a document in MongoDB, remembered for a few seconds. Thread-safe.

    A change takes effect within `cache_seconds`, counted from before the database was asked. What is remembered is
    never used for longer, also not while the database is away: revoked credentials must not live on, and the calls,
    which a host usually keeps in the same database, could not be found anyway.
    """

    def __init__(
        self,
        collection: Collection[Any],
        selector: Mapping[str, Any],
        *,
        field: str | None = None,
        cache_seconds: float = 5.0,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the settings from `collection`; the database is not asked yet.

        Args:
            collection: the collection of the document.
            selector: which document it is, such as ``{"_id": "system"}``; ``{}`` where there is only one.
            field: the field of the document that holds the settings, dotted for a nested field; None where the
                document itself is the settings.
            cache_seconds: how long an answer is used, in seconds; 0 asks each time.
            timeout: seconds for one question, retries included.
            clock: measures `cache_seconds`.

        Raises:
            ValueError: `cache_seconds` is negative, or `timeout` is not positive.
        """
        if not cache_seconds >= 0:
            raise ValueError(f"cache_seconds: a number of seconds from 0 on is needed, not {cache_seconds!r}")
        _require_positive("timeout", timeout)
        self._collection = collection
        self._selector = dict(selector)
        self._field = field
        self._cache_seconds = cache_seconds
        self._timeout = timeout
        self._clock = clock
        # Replaced as a whole, without a lock: threads that find it too old ask each for itself, and none waits for
        # another's deadline while the database is away.
        self._remembered: tuple[float, Mapping[str, Any]] | None = None

    def __call__(self) -> Mapping[str, Any]:
        """The settings, not to be changed by the caller.

        Raises:
            RepositoryUnavailable: the database is away or refuses.
            SettingsError: there is no such document, or it has no mapping under the field.
        """
        asked_at = self._clock()
        remembered = self._remembered
        if remembered is not None and asked_at - remembered[0] < self._cache_seconds:
            return remembered[1]
        settings = self._ask()
        self._remembered = (asked_at, settings)
        return settings

    def _ask(self) -> Mapping[str, Any]:
        projection = {"_id": False} | ({self._field: True} if self._field else {})
        with _deadline(self._timeout):
            found = self._collection.find_one(self._selector, projection)
        if found is None:
            raise SettingsError(f"no document of {self._collection.full_name} matches the selector of the settings", ())
        for name in self._field.split(".") if self._field else ():
            found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise SettingsError(f"{self._field}: the settings document has no mapping there", [str(self._field)])
        return found


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Bound everything inside the block, and translate what the driver raises."""
    try:
        with pymongo.timeout(seconds):
            yield
    except DuplicateKeyError:
        # Its message holds the token. Minted ones don't collide: the index is being built over tokens of others.
        raise RepositoryUnavailable(f"{_TOKEN}: several calls share one; rotate or revoke all but one") from None
    except (PyMongoError, BSONError) as exc:
        refusal = (exc.details or {}).get("codeName") if isinstance(exc, OperationFailure) else None
        raise RepositoryUnavailable(f"MongoDB: {refusal or type(exc).__name__}") from exc


def _is_session_id(value: object) -> TypeGuard[str]:
    """Whether `value` can be one at all: nothing else becomes part of a query."""
    # BSON knows no lone surrogates.
    return isinstance(value, str) and value != "" and not any("\ud800" <= char <= "\udfff" for char in value)


def _require_positive(name: str, seconds: float) -> None:
    if not seconds > 0:
        raise ValueError(f"{name}: a number of seconds greater than 0 is needed, not {seconds!r}")
