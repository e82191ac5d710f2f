"""Playback URLs: signed values that each play one recording until they expire.

What is signed names a call; whether there is such a call is looked up at each request, in ``web``. The keys are those
of the app's configuration at that moment.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from .fields import Fault
from .links import public_address

VERSION = 1  # of the payload: another one is not read
USUAL_LIFE, LONGEST_LIFE = 3600, 86_400  # seconds
LONGEST_IDENTITY = 128  # characters
SHORTEST_KEY = 32  # bytes: as many as SHA-256 gives (RFC 2104 §3)

# The last character of 32 bytes in Base64 has two bits that don't count. A decoder takes any; one spelling is enough.
_SIGNED = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a signed value says.

    Attributes:
        session_id: of the call.
        expires_at: seconds since 1970, UTC; from then on it plays nothing.
        identity: for whom it was made; None where that was not said.
    """

    session_id: str
    expires_at: int
    identity: str | None


@dataclass(frozen=True, slots=True)
class PlaybackUrl:
    """A URL that was made.

    Attributes:
        url: plays the recording; a secret until it expires.
        expires_at: see :class:`Claims`.
    """

    url: str = field(repr=False)
    expires_at: int


def keys_and_faults(config: Mapping[str, Any]) -> tuple[list[bytes], list[Fault]]:
    """The keys of an app's configuration, and what is wrong with them.

    Args:
        config: with ``SECRET_KEY``, and where keys were rotated ``SECRET_KEY_FALLBACKS``, the latest first; Flask 3.0
            does not know that one, so it may not be there.

    Returns:
        The keys, the present one last: itsdangerous signs with the last (CVE-2025-47278 was the other order).
    """
    fallbacks, faults = config.get("SECRET_KEY_FALLBACKS") or (), []
    if not isinstance(fallbacks, (list, tuple)):
        faults.append(Fault("SECRET_KEY_FALLBACKS", f"a list of keys is needed, not {type(fallbacks).__name__}"))
        fallbacks = ()
    named = [(f"SECRET_KEY_FALLBACKS[{number}]", key) for number, key in enumerate(fallbacks)]
    keys = []
    for name, value in [*reversed(named), ("SECRET_KEY", config.get("SECRET_KEY"))]:
        key = value.encode(errors="surrogatepass") if isinstance(value, str) else value
        if not isinstance(key, bytes):
            faults.append(Fault(name, "missing" if key is None else f"a string is needed, not {type(key).__name__}"))
        elif len(key) < SHORTEST_KEY:
            faults.append(Fault(name, f"it has {len(key)} bytes, and who guesses it opens every recording"))
        else:
            keys.append(key)
    return keys, faults


class PlaybackUrls:
    """Makes the playback URLs of one registration, and reads what is signed in them.

    Attributes:
        config: of the app.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        owner: tuple[str, str],
        prefix: str,
        current_address: Callable[[], tuple[str, str, str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make it for a registration.

        Args:
            config: of the app; read each time.
            owner: the names of the app and of the registration: what others have signed with the same key is not read.
            prefix: where the route is mounted, below the path of the app itself.
            current_address: scheme, host and path of the app, in the current request; ValueError where there is none.
            clock: seconds since 1970.
        """
        self.config = config
        self.clock = clock
        self._salt = json.dumps(["cxb_recordings", "playback URL", *owner]).encode()
        self._prefix = prefix
        self._current_address = current_address

    def make(
        self,
        session_id: object,
        host: str | None = None,
        *,
        seconds: int = USUAL_LIFE,
        identity: object = None,
        scheme: str = "https",
    ) -> PlaybackUrl:
        """See :meth:`cxb_recordings.RecordingService.playback_url`."""
        if not isinstance(session_id, str) or not session_id:
            raise ValueError("session_id: a non-empty string is needed")
        if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= LONGEST_LIFE:
            raise ValueError(f"seconds: a whole number from 1 to {LONGEST_LIFE} is needed")
        if identity is not None and (not isinstance(identity, str) or len(identity) > LONGEST_IDENTITY):
            raise ValueError(f"identity: a string of at most {LONGEST_IDENTITY} characters is needed, or None")
        root = str(self.config["APPLICATION_ROOT"]).rstrip("/")
        if host is None:
            scheme, host, root = self._current_address()
        address = public_address(host, scheme, root + self._prefix)
        keys, faults = keys_and_faults(self.config)
        if faults:
            raise ValueError(str(faults[0]))
        expires_at = math.ceil(self.clock()) + seconds
        payload = json.dumps([VERSION, session_id, expires_at, identity], separators=(",", ":"))
        signed = self._signer(keys).sign(base64_encode(payload)).decode()
        return PlaybackUrl(f"{address}/{signed}", expires_at)

    def read(self, signed: str) -> Claims | None:
        """What a signed value says, expired or not; None for what this registration has not signed."""
        keys, faults = keys_and_faults(self.config)
        if faults or not _SIGNED.fullmatch(signed):
            return None
        try:
            document = json.loads(base64_decode(self._signer(keys).unsign(signed)))
        except BadSignature:
            return None
        match document:
            case [version, str(session_id), int(expires_at), None | str() as identity] if version == VERSION:
                return Claims(session_id, expires_at, identity)
        return None

    def has_expired(self, claims: Claims) -> bool:
        """Whether the time of a signed value is over."""
        return self.clock() >= claims.expires_at

    def _signer(self, keys: list[bytes]) -> Signer:
        return Signer(keys, self._salt, key_derivation="hmac", digest_method=hashlib.sha256)
