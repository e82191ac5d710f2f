"""Content-Disposition: the name of a saved copy. The storage key was found before."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote

from werkzeug.http import dump_options_header

from ..links import LONGEST_FILE_NAME


@lru_cache(maxsize=1024)  # a listener who seeks asks for one key again and again
def content_disposition(key: str, *, attachment: bool) -> str:
    """``inline`` or ``attachment`` with the key's last segment as file name (RFC 6266, RFC 8187).

    Returns:
        Printable ASCII only: a raw non-ASCII header is a 500 in gunicorn.
    """
    name = "".join(char if char.isprintable() else "_" for char in key.rpartition("/")[2].replace("\\", "_"))
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > 16:
        stem, dot, ending = name, "", ""
    room = LONGEST_FILE_NAME - len((dot + ending).encode())
    stem = stem.encode()[:room].decode(errors="ignore") or "recording"
    name = stem + dot + ending
    plain = f"{_plain(stem) or 'recording'}{dot}{_plain(ending)}".rstrip(".") or "recording"
    names: dict[str, str | None] = {"filename": plain}
    if name != plain:
        names["filename*"] = f"UTF-8''{quote(name, safe='')}"
    return dump_options_header("attachment" if attachment else "inline", names)


def _plain(text: str) -> str:
    """What of `text` a plain file name can hold: clients disagree about escapes in it (RFC 6266, appendix D)."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r'["%/\\]', "_", ascii_only).strip()  # normalizing makes slashes, too
