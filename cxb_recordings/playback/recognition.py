"""Whether the first bytes under a key are a recording at all, or the page of a server that is no source.

A console's port, a login page or a proxy answers 200 to any path. Only pages and playlists are recognised: headerless
audio (GSM, µ-law) begins with any byte. Who is asked for the first bytes, and when, is decided in ``opening``.
"""

from __future__ import annotations

import re

from ..errors import NotARecording

FIRST_BYTES = 512  # as many as are needed to tell; a page may begin with a few blank lines

_PAGE = re.compile(rb"\s*<(?:!doctype|html|\?xml)\b", re.IGNORECASE)
_PLAYLIST = re.compile(rb"\s*(?:#EXTM3U|\[playlist\]|<MPD\b)", re.IGNORECASE)
_PAGE_TYPE = re.compile(r"text/html|(?:text|application)/(?:xml|(?:x-)?json)|application/[a-z0-9.-]+\+(?:xml|json)")
_PLAYLIST_TYPE = re.compile(
    r"(?:application|audio|video)/(?:vnd\.apple\.mpegurl|(?:x-)?mpegurl|(?:x-)?scpls|pls\+xml|vnd\.mpeg\.dash\.mpd)"
    r"|application/dash\+xml|application/xspf\+xml"
)
# How files begin that players know: RIFF and its kin, MP3, ADTS, Ogg, FLAC, MP4, Matroska, AMR, AU, AIFF, CAF, ASF.
_AUDIO = re.compile(
    rb"RIFF|RIFX|RF64|BW64|ID3|\xff[\xe2-\xff]|OggS|fLaC|.{4}ftyp|\x1aE\xdf\xa3|#!AMR|\.snd|FORM|caff|0&\xb2u\x8ef\xcf\x11",
    re.DOTALL,
)


def is_suspect(media_type: str | None) -> bool:
    """Whether a Content-Type is that of a page or a playlist."""
    essence = (media_type or "").partition(";")[0].strip().lower()
    return bool(_PAGE_TYPE.fullmatch(essence) or _PLAYLIST_TYPE.fullmatch(essence))


def may_begin_a_page(first: bytes) -> bool:
    """Whether a first byte may be that of a page or a playlist in UTF-8."""
    return first[:1] in (b"<", b"#", b"[", b"\xef") or first[:1].isspace()


def require_recording(first: bytes, media_type: str | None) -> None:
    """Refuse what is no recording.

    Args:
        first: its first bytes, :data:`FIRST_BYTES` of them where there are as many.
        media_type: the Content-Type that its source sent.

    Raises:
        NotARecording: it is a web page or a playlist.
    """
    text = _as_ascii(first)
    if _PLAYLIST.match(text):
        raise NotARecording("a playlist, not a recording")
    if _PAGE.match(text):
        raise NotARecording("a web page, not a recording")
    if first and is_suspect(media_type) and not _AUDIO.match(first):
        raise NotARecording("by its Content-Type a web page or a playlist, not a recording")


def _as_ascii(first: bytes) -> bytes:
    """The bytes without a byte order mark, and UTF-16 as ASCII."""
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        return first.decode("utf-16", "replace").encode("ascii", "replace")
    return first.removeprefix(b"\xef\xbb\xbf")
