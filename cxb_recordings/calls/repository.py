"""Where calls come from: the two protocols, the key of a call's recording, and repositories in memory.

The one on MongoDB lives in ``mongo``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, Protocol
from urllib.parse import unquote, urlsplit

from .tokens import is_well_formed, mint_recording_access_token

Call = Mapping[str, Any]
FindCall = Callable[[], Call | None]  # asks a repository for the call of one request
UtcClock = Callable[[], datetime]  # the present, aware


class CallRepository(Protocol):
    """Finds calls; all that ``register`` needs of the host's data.

    A call is a mapping with ``session_id``, ``recording_key``, ``recording_url`` and ``recording_filename`` (what a
    listener's copy is called), as far as it has them. What a method raises is logged and answered 503; an
    ``HTTPException`` of Werkzeug's is the host's own answer.
    """

    def find_by_session_id(self, session_id: str) -> Call | None:
        """The call with this session id; None where there is none."""

    def find_by_access_token(self, token: str) -> Call | None:
        """The call that this token opens now; None where the token is unknown, revoked or expired."""


class TokenStore(Protocol):
    """Gives calls their tokens, and takes them away."""

    def ensure_token(self, session_id: str) -> str | None:
        """The call's token, minted where it has none; None for an unknown call and for a revoked one."""

    def rotate(self, session_id: str) -> str | None:
        """A new token without expiry in place of the old one, also for a revoked call; None for an unknown call."""

    def revoke(self, session_id: str) -> bool:
        """Take the token away until :meth:`rotate`; False for an unknown call."""

    def set_expiry(self, session_id: str, expires_at: datetime | None) -> bool:
        """Let the token expire at an aware datetime; None: never. False for an unknown call.

        Raises:
            TypeError: it is neither a datetime nor None.
            ValueError: the datetime is naive.
        """

    def sessions_without_token(self, after: str = "", limit: int = 1000) -> list[str]:
        """The session ids of calls that have no token and are not revoked.

        Args:
            after: only ids behind this one; the last one of a batch gives the next batch.
            limit: how many at most.

        Returns:
            The ids in ascending order, each once; empty where there are no more.
        """


LinkState = Literal["open", "never minted", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class Link:
    """What a repository knows of a call's public link.

    Attributes:
        state: whether it plays now, and why not.
        expires_at: an aware datetime; None where it does not expire.
    """

    state: LinkState
    expires_at: datetime | None = None

    @classmethod
    def of(cls, call: Call, now: datetime) -> Link:
        """The link of a call with ``recording_access_token``, ``…_expires_at`` and ``…_revoked``, as of `now`."""
        expires_at = call.get("recording_access_expires_at")
        if isinstance(expires_at, datetime) and expires_at.utcoffset() is None:
            expires_at = expires_at.replace(tzinfo=timezone.utc)  # as it comes out of MongoDB, which keeps UTC
        known = expires_at if isinstance(expires_at, datetime) else None
        if call.get("recording_access_revoked"):
            return cls("revoked", known)
        if not is_well_formed(call.get("recording_access_token")):
            return cls("never minted", known)
        return cls("open" if expires_at is None or (known is not None and now < known) else "expired", known)


class LinkFinder(Protocol):
    """What a repository may be able to do beyond that, for ``flask recordings trace``; see :func:`link_finder`."""

    def find_link(self, *, session_id: str | None = None, token: str | None = None) -> Link | None:
        """The link of the call with this session id or this token, open or not; None where there is no such call."""


def link_finder(call_repo: Any) -> LinkFinder | None:
    """The repository where it has :meth:`LinkFinder.find_link`, else None."""
    return call_repo if getattr(call_repo, "find_link", None) else None


def recording_key_from_call(call: Call) -> str | None:
    """The storage key of a call's recording.

    Returns:
        ``recording_key`` where it is a non-empty string; else the last path segment of ``recording_url``, decoded once;
        None where neither gives one (a URL without a path, or one that ends in a slash).
    """
    key = call.get("recording_key")
    if isinstance(key, str) and key:
        return key
    url = call.get("recording_url")
    if not isinstance(url, str):
        return None
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2], errors="strict") or None
    except ValueError:  # no URL, or escapes that are no UTF-8 and so no key of any store
        return None


def utc_now() -> datetime:
    """The present, as an aware datetime."""
    return datetime.now(timezone.utc)


def require_aware(expires_at: datetime | None) -> None:
    """Refuse a naive datetime: nobody knows which moment it names.

    Raises:
        TypeError: it is neither a datetime nor None.
        ValueError: it has no time zone.
    """
    if expires_at is not None and not isinstance(expires_at, datetime):
        raise TypeError(f"expires_at: a datetime or None is needed, not {type(expires_at).__name__}")
    if expires_at is not None and expires_at.utcoffset() is None:
        raise ValueError(
            "expires_at: an aware datetime is needed, such as datetime.now(timezone.utc) + timedelta(days=30)"
        )


class InMemoryCallRepository:
    """Calls in this process's memory, for demonstrations and hosts' tests; also a :class:`TokenStore`. Thread-safe."""

    def __init__(self, calls: Iterable[Call] = (), *, clock: UtcClock = utc_now) -> None:
        """Start with `calls`, each with a ``session_id``; `clock` judges expiry."""
        self._lock = threading.Lock()
        self._clock = clock
        self._calls: dict[str, dict[str, Any]] = {}
        for call in calls:
            self.add(call)

    def add(self, call: Call) -> None:
        """Add a call, in place of one with the same ``session_id``.

        Raises:
            ValueError: its ``session_id`` is not a non-empty string.
        """
        session_id = call.get("session_id")
        if not isinstance(session_id, str) or not session_id:
            raise ValueError("session_id: a call needs one, a non-empty string")
        with self._lock:
            self._calls[session_id] = dict(call)

    def find_by_session_id(self, session_id: str) -> Call | None:
        """See :meth:`CallRepository.find_by_session_id`."""
        with self._lock:
            call = self._call(session_id)
            return None if call is None else dict(call)

    def find_by_access_token(self, token: str) -> Call | None:
        """See :meth:`CallRepository.find_by_access_token`."""
        if not is_well_formed(token):
            return None
        with self._lock:
            for call in self._calls.values():
                if call.get("recording_access_token") == token:
                    return dict(call) if self._is_open(call) else None
        return None

    def find_link(self, *, session_id: str | None = None, token: str | None = None) -> Link | None:
        """See :meth:`LinkFinder.find_link`."""
        with self._lock:
            calls = self._calls.values() if session_id is None else filter(None, [self._call(session_id)])
            found = (call for call in calls if token is None or call.get("recording_access_token") == token)
            return next((Link.of(call, self._clock()) for call in found), None)

    def ensure_token(self, session_id: str) -> str | None:
        """See :meth:`TokenStore.ensure_token`."""
        with self._lock:
            call = self._call(session_id)
            if call is None or call.get("recording_access_revoked"):
                return None
            if not is_well_formed(call.get("recording_access_token")):
                call["recording_access_token"] = mint_recording_access_token()
            token: str = call["recording_access_token"]
            return token

    def rotate(self, session_id: str) -> str | None:
        """See :meth:`TokenStore.rotate`."""
        with self._lock:
            call = self._call(session_id)
            if call is None:
                return None
            call.pop("recording_access_revoked", None)
            call.pop("recording_access_expires_at", None)
            call["recording_access_token"] = token = mint_recording_access_token()
            return token

    def revoke(self, session_id: str) -> bool:
        """See :meth:`TokenStore.revoke`."""
        with self._lock:
            call = self._call(session_id)
            if call is None:
                return False
            call.pop("recording_access_token", None)
            call["recording_access_revoked"] = True
            return True

    def set_expiry(self, session_id: str, expires_at: datetime | None) -> bool:
        """See :meth:`TokenStore.set_expiry`."""
        require_aware(expires_at)
        with self._lock:
            call = self._call(session_id)
            if call is None:
                return False
            if expires_at is None:
                call.pop("recording_access_expires_at", None)
            else:
                call["recording_access_expires_at"] = expires_at
            return True

    def sessions_without_token(self, after: str = "", limit: int = 1000) -> list[str]:
        """See :meth:`TokenStore.sessions_without_token`."""
        with self._lock:
            return sorted(
                session_id
                for session_id, call in self._calls.items()
                if session_id > after
                and not call.get("recording_access_revoked")
                and not is_well_formed(call.get("recording_access_token"))
            )[:limit]

    def _is_open(self, call: Call) -> bool:
        return Link.of(call, self._clock()).state == "open"

    def _call(self, session_id: object) -> dict[str, Any] | None:
        return self._calls.get(session_id) if isinstance(session_id, str) else None


class InMemorySettingsProvider:
    """System settings in this process's memory, for demonstrations and hosts' tests."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Provide `settings`, which may be replaced through the attribute of the same name."""
        self.settings = settings

    def __call__(self) -> Mapping[str, Any]:
        """The settings as they are now."""
        return self.settings
