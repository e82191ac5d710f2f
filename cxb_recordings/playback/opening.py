"""One source, asked for what one request wants: its decision, what is known of the recording, and a body where due.

Which source is asked, and what follows when it fails, is decided in ``service``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import NotModified, RangeNotSatisfiable
from .conditions import Decision, PlaybackRequest, negotiate
from .source import ContentInfo, OpenedRecording, RecordingSource


@dataclass(frozen=True, slots=True)
class Opening:
    """What one source answers to a request.

    Attributes:
        decision: status and span.
        info: what is known of the whole recording.
        opened: the body for a GET that is answered 200 or 206, else None. Whoever gets it closes it.
    """

    decision: Decision
    info: ContentInfo
    opened: OpenedRecording | None = None


def open_from(source: RecordingSource, key: str, request: PlaybackRequest) -> Opening:
    """Ask `source` for exactly what `request` wants: one upstream request in the ordinary case.

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
    try:
        opened = source.open(key, wanted, unless_etag=request.unless_etag)
    except NotModified as exc:
        return Opening(Decision(304), exc.info)
    except RangeNotSatisfiable as exc:
        return _beyond_the_end(source, key, request, exc.length)
    decision = negotiate(request, opened.info)
    if decision.status == 200 and opened.span is not None:  # a mismatching If-Range costs one request more
        opened.body.close()
        return _whole(source, key, request)
    return _close_unless_due(decision, opened)


def _beyond_the_end(source: RecordingSource, key: str, request: PlaybackRequest, length: int | None) -> Opening:
    """After the source's 416: preconditions, If-Range and the suffix of an empty recording come before it."""
    needs_info = request.is_conditional or length is None or request.wanted is None or request.wanted.first is None
    info = source.describe(key) if needs_info else ContentInfo(length)
    decision = negotiate(request, info)
    return Opening(decision, info) if decision.status not in (200, 206) else _whole(source, key, request)


def _whole(source: RecordingSource, key: str, request: PlaybackRequest) -> Opening:
    opened = source.open(key)
    return _close_unless_due(negotiate(request, opened.info), opened)


def _close_unless_due(decision: Decision, opened: OpenedRecording) -> Opening:
    if decision.status in (200, 206):
        return Opening(decision, opened.info, opened)
    opened.body.close()
    return Opening(decision, opened.info)
