"""Access tokens of the public link: minting, their shape, and the fingerprint for logs.

Whether a token belongs to a call is the repository's knowledge.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TypeGuard

# RFC 3986 unreserved characters: no escape is ever needed in a path. 256 is room for links that others minted.
WELL_FORMED = r"(?!\.{1,2}$)[A-Za-z0-9._~-]{1,256}"
_WELL_FORMED = re.compile(WELL_FORMED, re.ASCII)


def mint_recording_access_token() -> str:
    """A new token: 256 random bits, URL-safe, 43 characters. Results ingestion calls it once for each call."""
    return secrets.token_urlsafe(32)


def is_well_formed(token: object) -> TypeGuard[str]:
    """Whether `token` can be a token at all; nothing else ever reaches a repository's database."""
    return isinstance(token, str) and _WELL_FORMED.fullmatch(token) is not None


def fingerprint(token: str) -> str:
    """Twelve hexadecimal digits that tell tokens apart in logs and signals without telling the token."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()[:12]
