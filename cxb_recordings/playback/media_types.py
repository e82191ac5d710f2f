"""The Content-Type of a recording: what the source says where that can only be played, else what the key's ending says.

A type is never absent and never one that a browser runs: without one, or with ``text/html``, Chromium runs a stored
script in the host's origin. The system's ``mimetypes`` is not asked: it differs from machine to machine.
"""

from __future__ import annotations

import re

FALLBACK = "application/octet-stream"

BY_ENDING = {
    "wav": "audio/wav",
    "wave": "audio/wav",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "spx": "audio/ogg",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "weba": "audio/webm",
    "mka": "audio/matroska",
    "mkv": "video/matroska",
    "flac": "audio/flac",
    "aac": "audio/aac",
    "aif": "audio/aiff",
    "aiff": "audio/aiff",
    "au": "audio/basic",
    "ulaw": "audio/basic",
    "gsm": "audio/x-gsm",
    "amr": "audio/AMR",
    "awb": "audio/AMR-WB",
    "wma": "audio/x-ms-wma",
    "caf": "audio/x-caf",
    "3gp": "video/3gpp",
    "3g2": "video/3gpp2",
}

# The first ending of each type above, and those of other names that types have.
_ENDINGS = {media_type.lower(): ending for ending, media_type in reversed(BY_ENDING.items())} | {
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/mp3": "mp3",
    "audio/opus": "opus",
    "audio/x-m4a": "m4a",
    "audio/x-flac": "flac",
    "audio/x-aiff": "aiff",
    "audio/gsm": "gsm",
}

_PLAYABLE = re.compile(r"(?:audio|video)/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}", re.ASCII | re.IGNORECASE)
_CODECS = re.compile(
    r';[ \t]*codecs=("[A-Za-z0-9., _-]{1,80}"|[A-Za-z0-9._-]{1,80})[ \t]*(?:;|$)', re.ASCII | re.IGNORECASE
)


def media_type(key: str, from_source: str | None) -> str:
    """The Content-Type to send.

    Args:
        key: the storage key, for its ending.
        from_source: the Content-Type that the source sent. Of its parameters only ``codecs`` is kept (RFC 6381).
    """
    essence, semicolon, parameters = (from_source or "").strip().partition(";")
    if _PLAYABLE.fullmatch(essence.strip()):
        codecs = _CODECS.search(semicolon + parameters)
        return f"{essence.strip()}; codecs={codecs[1]}" if codecs else essence.strip()
    name = key.rpartition("/")[2]
    return BY_ENDING.get(name.rpartition(".")[2].lower(), FALLBACK) if "." in name else FALLBACK


def is_playable(content_type: str) -> bool:
    """Whether a Content-Type is one of audio or video: a browser that opens it as a page makes a player."""
    return content_type.lower().startswith(("audio/", "video/"))


def with_ending_of(name: str, content_type: str) -> str:
    """A file name from outside with an ending that fits the type: never that of a page or a program.

    Args:
        name: any text.
        content_type: what :func:`media_type` said. Of a type without an ending of its own, that of a recording stays.
    """
    stem, _, ending = name.strip().rpartition(".")
    essence = content_type.partition(";")[0].strip().lower()
    said = BY_ENDING.get(ending.lower())
    if stem and said is not None and (said.lower() == essence or essence not in _ENDINGS):
        return name.strip()
    return f"{stem or name.strip(' .') or 'recording'}.{_ENDINGS.get(essence, 'bin')}"
