"""A head and a body become a ``flask.Response``; an error of the service becomes a problem.

Which call and which key is meant was found before; which headers are sent is decided in ``head``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from urllib.parse import parse_qs

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException

from ..calls.repository import Call
from ..errors import RecordingArchived, RecordingMissing, RecordingUnreachable, TooManyStreams
from ..options import DEFAULT_NAME
from ..playback.conditions import PlaybackRequest
from ..playback.events import Listener
from ..service import RecordingService
from . import head
from .chunking import shows_breaks
from .head import ADMIN, PUBLIC, Audience, Head
from .offload import may_offload, offloaded_head
from .stream_guard import guard

_logger = logging.getLogger(__name__)


class Reply(Response):
    """A reply of this library's.

    Attributes:
        playback_id: of the request; None where nothing was looked for.
        source: the name of the source that has the recording; None where none has, or none was asked.
    """

    def __init__(
        self,
        sent: Head,
        listener: Listener | None = None,
        source: str | None = None,
        body: Iterable[bytes] | None = None,
    ) -> None:
        """Send a head, and a body that the server gets as it is: it calls its `close`."""
        super().__init__(
            sent.document if body is None else body, sent.status, sent.headers, direct_passthrough=body is not None
        )
        self.playback_id = None if listener is None else listener.playback_id
        self.source = source


def stream_recording_key(key: str, *, name: str = DEFAULT_NAME, public: bool = False) -> Response:
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
    return deliver(service, key, Listener(), PUBLIC if public else ADMIN)


def deliver(
    service: RecordingService,
    key: str,
    listener: Listener,
    audience: Audience,
    call: Call | None = None,
    filename: str = "",
) -> Reply:
    """Answer the current request with a recording, or with a problem.

    Args:
        service: has the recording.
        key: the storage key.
        listener: who asked.
        audience: for whom the reply is.
        call: whose recording it is; None where that is not known.
        filename: how a client may call the recording; empty for the key's name.
    """
    asked = PlaybackRequest.from_headers(request.method, request.headers)
    try:
        playback = service.open(key, asked, listener, call=call, may_offload=may_offload(request.headers))
    except RecordingUnreachable:
        if service.options.outage_status == 503:
            return Reply(head.busy("The recording can't be reached at the moment.", audience, "sources"), listener)
        return Reply(head.not_found(audience, "sources", "unreachable"), listener)
    except TooManyStreams:
        return Reply(head.busy("Too many recordings are being played at the moment.", audience), listener)
    except RecordingArchived:
        return Reply(head.not_found(audience, "sources", "archived"), listener)
    except RecordingMissing:
        return Reply(head.not_found(audience, "sources", "missing"), listener)
    except HTTPException:
        raise
    except Exception:  # noqa: BLE001 - the settings provider is the host's code and may raise anything
        return unavailable("settings", listener, audience)
    stream = playback.stream
    if stream is not None:
        guard(request.environ, stream)
    sent = head.recording_head(
        playback.decision,
        playback.info,
        key,
        audience,
        filename=filename,
        attachment=wants_attachment(request.environ.get("QUERY_STRING", "")),
        shows_breaks=shows_breaks(request.environ),
    )
    if playback.offloaded is not None and service.options.offload is not None:
        sent = offloaded_head(sent, service.options.offload, playback.offloaded)
    elif sent.document and stream is not None:
        stream.close()
    elif sent.status in (200, 206):  # an iterator: of a sequence Werkzeug would take the length
        return Reply(sent, listener, playback.source, iter(()) if stream is None else stream)
    return Reply(sent, listener, playback.source)


def wants_attachment(query: str) -> bool:
    """Whether a query string, as WSGI has it, says ``download=1``.

    Flask's ``request.args`` raises where the string's bytes are not UTF-8.
    """
    return parse_qs(query, keep_blank_values=True).get("download", [""])[0] == "1"


def unavailable(step: str, listener: Listener | None, audience: Audience) -> Reply:
    """503 for an exception in the host's own parts, which is being handled and is logged with its traceback."""
    text, fields = ("", {}) if listener is None else (f" ({listener})", listener.fields)
    _logger.exception("the %s failed%s", step, text, extra=fields | {"step": step})
    return Reply(head.busy("The recording can't be looked up at the moment.", audience, step), listener)
