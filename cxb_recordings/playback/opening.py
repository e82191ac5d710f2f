"""One source, asked for what one request wants: its decision, what is known of the recording, and a body where due.

Which source is asked, and what follows when it fails, is decided in ``search``.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass

from ..errors import NotModified, RangeNotSatisfiable, SourceUnavailable
from .byte_range import ByteSpan, RangeRequest
from .conditions import Decision, PlaybackRequest, negotiate
from .pace import Pace
from .recognition import FIRST_BYTES, is_suspect, may_begin_a_page, require_recording
from .source import ContentInfo, OpenedRecording, RecordingSource


@dataclass(frozen=True, slots=True)
class Opening:
    """What one source answers to a request.

    Attributes:
        decision: status and span.
        info: what is known of the whole recording.
        opened: the body for a GET that is answered 200 or 206, else None. The caller closes it.
    """

    decision: Decision
    info: ContentInfo
    opened: OpenedRecording | None = None


def open_from(source: RecordingSource, key: str, request: PlaybackRequest, pace: Pace) -> Opening:
    """Ask `source` for exactly what `request` wants: one upstream request in the ordinary case.

    Whether it is a recording, see :func:`require_shown`.

    Args:
        source: whom to ask.
        key: the storage key.
        request: what the client asked.
        pace: how long it may take; looked at before each further request, too.

    Raises:
        RecordingMissing: the source has no such recording.
        SourceUnavailable: the source failed.
    """
    wanted = request.wanted
    if request.head or (wanted and wanted.first is None and not wanted.last):
        # bytes=-0 is never asked of a source: stores disagree about it, and only the length is needed.
        info = source.describe(key)
        decision = negotiate(request, info)
        if request.head or decision.status != 200:
            return Opening(decision, info)
        wanted = None
        pace.require_time()
    try:
        opened = source.open(key, wanted, unless_etag=request.unless_etag)
    except NotModified as exc:
        return Opening(Decision(304), exc.info)
    except RangeNotSatisfiable as exc:
        return _beyond_the_end(source, key, request, exc.length, pace)
    decision = negotiate(request, opened.info)
    if decision.status == 200 and opened.span is not None:  # a mismatching If-Range costs one request more
        opened.body.close()
        return _whole(source, key, request, pace)
    return _close_unless_due(decision, opened)


def require_shown(source: RecordingSource, key: str, pace: Pace, opening: Opening) -> None:
    """Where the type may be that of a page, and the body does not show the first bytes: ask for them.

    Args:
        source: whom to ask.
        key: the storage key.
        pace: how long it may take.
        opening: what `source` has answered; closed where this raises.

    Raises:
        RecordingMissing: the source has no such recording.
        SourceUnavailable: the source failed, or what it has is no recording.
    """
    if is_suspect(opening.info.media_type) and not _shows_first_bytes(opening.opened):
        try:
            require_first_bytes(source, key, pace, opening.info)
        except BaseException:
            if opening.opened is not None:
                opening.opened.body.close()
            raise


def _shows_first_bytes(opened: OpenedRecording | None) -> bool:
    """Whether a body begins with enough of the recording: then the stream looks at them when they come."""
    if opened is None or opened.span is None:
        return opened is not None
    return opened.span.start == 0 and opened.span.length >= min(FIRST_BYTES, opened.info.length or FIRST_BYTES)


def prove(source: RecordingSource, key: str, pace: Pace) -> tuple[ContentInfo, ByteSpan | None]:
    """Ask for the first byte of a recording, and for more where that or the type may be those of a page.

    Returns:
        What the source knows of it, and the span that it sent; None for the whole, and for an empty recording.

    Raises:
        RecordingMissing: the source has no such recording.
        SourceUnavailable: the source failed, or what it has is no recording.
    """
    try:
        opened = source.open(key, RangeRequest(0, 0))
    except RangeNotSatisfiable:  # an empty recording has no first byte
        pace.require_time()
        info = source.describe(key)
        if info.length:
            raise SourceUnavailable("416 to the first byte of a recording that has some", status=416) from None
        return info, None
    with closing(pace.guard(opened.body)) as body:
        first = body.read_first(1)
    if not first:
        raise SourceUnavailable("the first byte did not come", is_transient=True)
    if is_suspect(opened.info.media_type) or may_begin_a_page(first):
        require_first_bytes(source, key, pace, opened.info)
    return opened.info, opened.span


def require_first_bytes(source: RecordingSource, key: str, pace: Pace, info: ContentInfo) -> None:
    """Ask for a recording's first bytes, and see whether they are those of one.

    Args:
        source: whom to ask.
        key: the storage key.
        pace: guards the reading of the body.
        info: what another reply said of the recording; this one must say the same.

    Raises:
        RecordingMissing: the source has no such recording.
        SourceUnavailable: the source failed, or what it has is no recording, or another one.
    """
    pace.require_time()
    with suppress(RangeNotSatisfiable):  # an empty recording has none
        opened = source.open(key, RangeRequest(0, FIRST_BYTES - 1))
        with closing(pace.guard(opened.body)) as body:
            require_recording(body.read_first(FIRST_BYTES), opened.info.media_type)
        if (opened.info.length, opened.info.strong_etag) != (info.length, info.strong_etag):
            raise SourceUnavailable("two replies are of different recordings")


def _beyond_the_end(
    source: RecordingSource, key: str, request: PlaybackRequest, length: int | None, pace: Pace
) -> Opening:
    """After the source's 416: preconditions, If-Range and the suffix of an empty recording come before it."""
    needs_info = request.is_conditional or length is None or request.wanted is None or request.wanted.first is None
    pace.require_time()
    info = source.describe(key) if needs_info else ContentInfo(length)
    decision = negotiate(request, info)
    return Opening(decision, info) if decision.status not in (200, 206) else _whole(source, key, request, pace)


def _whole(source: RecordingSource, key: str, request: PlaybackRequest, pace: Pace) -> Opening:
    pace.require_time()
    opened = source.open(key)
    return _close_unless_due(negotiate(request, opened.info), opened)


def _close_unless_due(decision: Decision, opened: OpenedRecording) -> Opening:
    if decision.status in (200, 206):
        return Opening(decision, opened.info, opened)
    opened.body.close()
    return Opening(decision, opened.info)
