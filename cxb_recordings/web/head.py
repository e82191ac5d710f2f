"""Status and headers of every reply: pure functions, values in and values out.

No Flask here, and no upstream header is copied: only those set here are sent. What is decided of a recording lives in
``playback.conditions``; the body joins the head in ``responses``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from werkzeug.http import HTTP_STATUS_CODES, http_date, quote_etag

from ..playback.conditions import Decision
from ..playback.media_types import FALLBACK, is_playable, media_type, with_ending_of
from ..playback.source import ContentInfo
from .file_names import content_disposition

RETRY_AFTER = "5"  # seconds

# Both stop a stored script. A browser that opens audio or video as a page makes a player, which loads the same URL once
# more: this needs media-src, and in Chromium the page's own origin.
POLICY = "default-src 'none'; sandbox"
PLAYER_POLICY = "default-src 'none'; media-src 'self'; sandbox allow-same-origin"


@dataclass(frozen=True, slots=True)
class Audience:
    """For whom a reply is, and what differs for them.

    Attributes:
        headers: sent with every reply.
        is_told_the_step: whether a problem names the step that failed, and the reason.
    """

    headers: Mapping[str, str]
    is_told_the_step: bool


ADMIN = Audience({"Cross-Origin-Resource-Policy": "same-site"}, is_told_the_step=True)
# Any site may embed a recording (CRMs do), no search engine may list it, and all 404s are the same.
PUBLIC = Audience(
    {"Cross-Origin-Resource-Policy": "cross-origin", "X-Robots-Tag": "noindex, nofollow"}, is_told_the_step=False
)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a reply.

    Attributes:
        status: the HTTP status.
        headers: all that are sent, by name.
        document: the whole body, where that is JSON, such as a problem (RFC 9457); empty where it is not.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    document: str = ""


def recording_head(
    decision: Decision,
    info: ContentInfo,
    key: str,
    audience: Audience,
    *,
    filename: str = "",
    attachment: bool = False,
    shows_breaks: bool = True,
) -> Head:
    """The head of a reply about a recording that is there.

    Args:
        decision: status and span, by :func:`cxb_recordings.playback.conditions.negotiate`.
        info: what the source knows of the recording.
        key: the storage key, for the type and the file name.
        audience: for whom it is.
        filename: another name than the key's; it changes no type, and its ending becomes that of the type.
        attachment: whether browsers should save the recording, not play it.
        shows_breaks: whether the client can tell a body of unknown length that broke off from one that ended.

    Returns:
        200, 206 or 304; a problem with 412 or 416; with 502 where the client could not tell a broken transfer from a
        complete one.
    """
    if decision.status == 412:
        return problem(412, "The recording does not match the precondition.", audience)
    if decision.status == 416:
        return problem(416, "The recording has no such range.", audience, {"Content-Range": f"bytes */{info.length}"})
    if decision.status == 200 and info.length is None and not shows_breaks:
        return problem(502, "The recording's length is not known.", audience)
    kind = media_type(key, info.media_type)
    headers = {**_guards(audience, kind), "Cache-Control": "private, no-cache"}
    if info.etag is not None:
        headers["ETag"] = quote_etag(info.etag, weak=info.etag_is_weak)
    if info.last_modified is not None:
        headers["Last-Modified"] = http_date(info.last_modified)
    if decision.status == 304:
        if kind == FALLBACK and info.media_type is None:
            # A browser updates the headers of its stored 200 (RFC 9111 §3.2), whose type is not known here: it keeps
            # that policy only if this reply has none.
            del headers["Content-Security-Policy"]
        return Head(304, headers)
    headers["Content-Type"] = kind
    headers["Content-Disposition"] = content_disposition(
        with_ending_of(filename, kind) if filename else key, attachment=attachment
    )
    if info.length is not None:
        headers["Accept-Ranges"] = "bytes"
        headers["Content-Length"] = str(decision.span.length if decision.span else info.length)
        if decision.span:
            headers["Content-Range"] = decision.span.content_range(info.length)
    return Head(decision.status, headers)


def problem(
    status: int,
    detail: str,
    audience: Audience,
    headers: Mapping[str, str] | None = None,
    *,
    step: str | None = None,
    reason: str | None = None,
) -> Head:
    """The head and body of a short ``application/problem+json`` reply that is never stored (RFC 9457).

    Args:
        status: the HTTP status.
        detail: one sentence; never a key, a host name or a message of a source.
        audience: for whom it is.
        headers: those of this status.
        step: what failed; left out for an audience that must not know.
        reason: why, in one word; left out likewise.
    """
    document: dict[str, object] = {"title": HTTP_STATUS_CODES[status].upper(), "status": status, "detail": detail}
    if step and audience.is_told_the_step:
        document["step"] = step
        document |= {"reason": reason} if reason else {}
    sent = {"Cache-Control": "no-store", "Content-Type": "application/problem+json", **(headers or {})}
    return Head(status, _guards(audience) | sent, json.dumps(document))


def created(document: Mapping[str, object], audience: Audience) -> Head:
    """201 with a JSON document that is never stored."""
    sent = {"Cache-Control": "no-store", "Content-Type": "application/json"}
    return Head(201, _guards(audience) | sent, json.dumps(document))


def not_found(audience: Audience, step: str, reason: str | None = None) -> Head:
    """The one 404; on the public route byte for byte the same whatever the cause.

    Args:
        audience: for whom it is.
        step: where it ended.
        reason: ``not-uploaded`` (the call has no key yet), ``missing``, ``archived`` or ``unreachable``; None where
            there is no call.
    """
    is_passing = audience.is_told_the_step and reason in ("not-uploaded", "unreachable")
    later = {"Retry-After": RETRY_AFTER} if is_passing else {}
    return problem(404, "There is no such recording.", audience, later, step=step, reason=reason)


def busy(detail: str, audience: Audience, step: str | None = None) -> Head:
    """503 for what may work in a few seconds; see :func:`problem`."""
    return problem(503, detail, audience, {"Retry-After": RETRY_AFTER}, step=step)


def _guards(audience: Audience, content_type: str = "") -> dict[str, str]:
    """The headers that guard every reply; its type decides which Content-Security-Policy is sent."""
    return {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": PLAYER_POLICY if is_playable(content_type) else POLICY,
        "Referrer-Policy": "no-referrer",  # the token is part of the URL
        **audience.headers,
    }
