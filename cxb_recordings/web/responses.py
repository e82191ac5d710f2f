"""A decision and a body become a ``flask.Response``; an error becomes a problem (RFC 9457).

Which call and which key is meant was found before. No upstream header is copied: only those set here are sent.
"""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from functools import lru_cache
from urllib.parse import parse_qs, quote

from flask import Response, current_app, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import dump_options_header, http_date, quote_etag

from ..errors import RecordingMissing, RecordingUnreachable, TooManyStreams
from ..playback.conditions import PlaybackRequest
from ..playback.events import Listener
from ..playback.source import ContentInfo
from ..search import Playback
from ..service import RecordingService
from .chunking import shows_breaks
from .media_types import FALLBACK, is_playable, media_type
from .offload import may_hand_over, redirect_to_storage
from .stream_guard import guard

_logger = logging.getLogger(__name__)

RETRY_AFTER = "5"  # seconds
LONGEST_FILE_NAME = 255  # bytes of UTF-8, as on most file systems

# Both stop a stored script. A browser that opens audio or video as a page makes a player, which loads the same URL once
# more: this needs media-src, and in Chromium the page's own origin.
POLICY = "default-src 'none'; sandbox"
PLAYER_POLICY = "default-src 'none'; media-src 'self'; sandbox allow-same-origin"

ANSWER = "cxb_recordings_answer"  # in flask.g: what RequestAnswered tells of the current request

NOT_FOUND = "There is no such recording."


def stream_recording_key(key: str, *, name: str = "cxb_recordings", public: bool = False) -> Response:
    """Answer the current request with the recording under a storage key; for a view of the host's own.

    Who may listen is the calling view's decision.

    Args:
        key: the storage key, as it is.
        name: the registration's name.
        public: whether pages of any site may embed the reply, and search engines may not list it, as on the public
            route; else only pages of the same site may embed it.

    Returns:
        200, 206, 304, 404, 412, 416, 502 or 503; never raises for anything that a client or a source sends.

    Raises:
        TypeError: `key` is not a string.
        ValueError: the app has no registration of this name.
    """
    if not isinstance(key, str):
        raise TypeError(f"key: a string is needed, not {type(key).__name__}")
    service = current_app.extensions.get(name)
    if not isinstance(service, RecordingService):
        raise ValueError(f"name: the app has no registration {name!r}; call register(app, …, name={name!r})")
    return deliver(service, key, Listener(), public=public)


def deliver(service: RecordingService, key: str, listener: Listener, *, public: bool) -> Response:
    """Answer the current request with a recording, or with the problem that stands in the way."""
    playback_request = PlaybackRequest.from_headers(request.method, request.headers)
    attachment = wants_attachment(request.environ.get("QUERY_STRING", ""))
    try:
        playback = service.open(key, playback_request, listener, may_hand_over=may_hand_over(request))
    except RecordingUnreachable:
        if service.options.outage_status == 503:
            return busy("The recording can't be reached at the moment.", public=public, step="sources")
        return not_found(public=public, step="sources")
    except TooManyStreams:
        return busy("Too many recordings are being played at the moment.", public=public)
    except RecordingMissing:
        return not_found(public=public, step="sources")
    except HTTPException:
        raise
    except Exception:  # noqa: BLE001 - the settings provider is the host's code and may raise anything
        return unavailable("settings", listener, public=public)
    if playback.stream is not None:
        guard(request.environ, playback.stream)
    setattr(g, ANSWER, {"playback_id": listener.playback_id, "source": playback.source})
    return respond(playback, key, service.options.offload, attachment=attachment, public=public)


def wants_attachment(query: str) -> bool:
    """Whether a query string, as WSGI has it, says ``download=1``.

    Flask's ``request.args`` raises where the string's bytes are not UTF-8.
    """
    return parse_qs(query, keep_blank_values=True).get("download", [""])[0] == "1"


def respond(playback: Playback, key: str, offload: str | None, *, attachment: bool, public: bool) -> Response:
    """Turn a decided playback into a response; one that is handed over, for the nginx location `offload`."""
    status, info = playback.decision.status, playback.info
    if status == 412:
        return problem(412, "The recording does not match the precondition.", public=public)
    if status == 416:
        response = problem(416, "The recording has no such range.", public=public)
        response.headers["Content-Range"] = f"bytes */{info.length}"
        return response
    if status == 200 and info.length is None and not shows_breaks(request.environ):
        # The client could not tell a broken transfer from a finished one.
        if playback.stream is not None:
            playback.stream.close()
        return problem(502, "The recording's length is not known.", public=public)
    kind = media_type(key, info.media_type)
    headers = guarded_headers(public=public, content_type=kind)
    headers["Cache-Control"] = "private, no-cache"
    _describe(headers, info)
    if status == 304:
        if kind == FALLBACK and info.media_type is None:
            # A browser updates the headers of its stored 200 (RFC 9111 §3.2), whose type is not known here: it keeps
            # that policy only if this reply has none.
            del headers["Content-Security-Policy"]
        return Response(status=304, headers=headers)
    headers["Content-Type"] = kind
    headers["Content-Disposition"] = content_disposition(key, attachment=attachment)
    if info.length is not None:
        span = playback.decision.span
        headers["Accept-Ranges"] = "bytes"
        headers["Content-Length"] = str(span.length if span else info.length)
        if span:
            headers["Content-Range"] = span.content_range(info.length)
    if playback.hand_over is not None and offload is not None:
        return redirect_to_storage(headers, offload, playback.hand_over)
    if playback.stream is None:  # an iterator: of a sequence Werkzeug would take the length
        return Response(iter(()), status=status, headers=headers)
    # direct_passthrough: the server gets the stream itself, and calls its close().
    return Response(playback.stream, status=status, headers=headers, direct_passthrough=True)


def guarded_headers(*, public: bool, content_type: str = "") -> dict[str, str]:
    """The headers that guard every reply.

    Args:
        public: the public route: any site may embed it (CRMs do), no search engine may list it.
        content_type: of the reply; it decides which Content-Security-Policy is sent.
    """
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": PLAYER_POLICY if is_playable(content_type) else POLICY,
        "Referrer-Policy": "no-referrer",  # the token is part of the URL
        "Cross-Origin-Resource-Policy": "cross-origin" if public else "same-site",
    }
    if public:
        headers["X-Robots-Tag"] = "noindex, nofollow"
    return headers


def problem(status: int, detail: str, *, public: bool, step: str | None = None) -> Response:
    """A short ``application/problem+json`` reply that is never stored.

    Args:
        status: the HTTP status.
        detail: one sentence; never a key, a host name or a message of a source.
        public: see :func:`guarded_headers`.
        step: what failed, for an administrator; left out on the public route.
    """
    document: dict[str, object] = {"title": Response(status=status).status.partition(" ")[2], "status": status}
    document["detail"] = detail
    if step and not public:
        document["step"] = step
    headers = guarded_headers(public=public)
    headers["Cache-Control"] = "no-store"
    headers["Content-Type"] = "application/problem+json"
    return Response(json.dumps(document), status=status, headers=headers)


def not_found(*, public: bool, step: str) -> Response:
    """The one 404; on the public route byte for byte the same whatever the cause."""
    return problem(404, NOT_FOUND, public=public, step=step)


def unavailable(step: str, listener: Listener | None, *, public: bool) -> Response:
    """503 for an exception in the host's own parts, which is being handled and is logged with its traceback."""
    text, fields = ("", {}) if listener is None else (f" ({listener})", listener.fields)
    _logger.exception("the %s failed%s", step, text, extra=fields | {"step": step})
    return busy("The recording can't be looked up at the moment.", public=public, step=step)


def busy(detail: str, *, public: bool, step: str | None = None) -> Response:
    """503 for what may work in a few seconds; see :func:`problem`."""
    response = problem(503, detail, public=public, step=step)
    response.headers["Retry-After"] = RETRY_AFTER
    return response


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
    """What of `text` can stand in a plain file name: clients disagree about escapes in it (RFC 6266, appendix D)."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r'["%/\\]', "_", ascii_only).strip()  # normalizing makes slashes, too


def _describe(headers: dict[str, str], info: ContentInfo) -> None:
    if info.etag is not None:
        headers["ETag"] = quote_etag(info.etag, weak=info.etag_is_weak)
    if info.last_modified is not None:
        headers["Last-Modified"] = http_date(info.last_modified)
