"""Other spellings of a storage key under which uploads end by mistake. Pure; who has them is asked in ``trace``."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from ..playback.source import key_is_askable


def spellings(key: str, in_url: str | None = None, bucket: str = "") -> tuple[str, ...]:
    """What a recording may be stored as where `key` is in no source, the likeliest first.

    Args:
        key: as the call gives it.
        in_url: the key that the whole path of the call's URL names, where there is one.
        bucket: the bucket's name; empty where there is none.
    """
    bare = key.lstrip("/")
    stem, dot, ending = key.rpartition(".")
    found = [
        in_url or key,
        bare,
        bare.removeprefix(f"{bucket}/") if bucket else bare,
        f"/{key}",
        f"{bucket}/{bare}" if bucket else key,
        unquote(key),
        unquote_plus(key),
        quote(key),
        quote_plus(key, safe="/"),
        key.replace("+", " "),
        key.replace(" ", "+"),
        key.strip(),
        f"{stem}{dot}{ending.swapcase()}",
        key.lower(),
        key.upper(),
        unicodedata.normalize("NFC", key),
        unicodedata.normalize("NFD", key),
    ]
    return tuple(dict.fromkeys(other for other in found if other != key and key_is_askable(other)))
