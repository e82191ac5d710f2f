"""X-Accel-Redirect instead of a body: nginx fetches the bytes from storage by itself.

The library has authorised the request and decided the answer before; which recordings can be handed over is decided
in ``service``. nginx's side of it is in the how-to, whose configuration the tests run.
"""

from __future__ import annotations

from flask import Request, Response

from ..hand_over import HandOver

# nginx sends this when storage refused it and the request comes back (its error_page): then Python carries the bytes.
REFUSED_HEADER = "X-Recording-Offload"


def may_hand_over(request: Request) -> bool:
    """Whether nginx has not tried already. A client that sends the header only gets its bytes from Python."""
    return request.headers.get(REFUSED_HEADER) != "refused"


def redirect_to_storage(headers: dict[str, str], location: str, hand_over: HandOver) -> Response:
    """The reply that nginx turns into the recording.

    Args:
        headers: those of the recording's reply. nginx keeps Content-Type, Content-Disposition, Accept-Ranges and
            Cache-Control of them, takes length, range and validators from storage, and adds the others itself.
        location: the internal nginx location.
        hand_over: the signed URL and the range, for nginx alone: it does not pass X-Storage-… on.
    """
    for name in ("Content-Length", "Content-Range", "ETag", "Last-Modified"):
        headers.pop(name, None)
    headers["X-Accel-Redirect"] = location
    headers["X-Storage-URL"] = hand_over.signed_url
    headers["X-Storage-Range"] = hand_over.range_header
    return Response(status=200, headers=headers)
