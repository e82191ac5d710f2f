"""X-Accel-Redirect instead of a body: nginx fetches the bytes from storage by itself.

The library has authorised the request and decided the answer before; which recordings can be offloaded is decided
in ``service``. nginx's side of it is in the how-to, whose configuration the tests run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from werkzeug.datastructures import Headers

from ..options import REFUSED_HEADER
from ..search import Offloaded
from .head import Head

# nginx takes them from storage: those of the whole recording would contradict its range.
_STORAGE_SENDS = ("Content-Length", "Content-Range", "ETag", "Last-Modified")


def may_offload(headers: Mapping[str, str] | Headers) -> bool:
    """Whether nginx has not tried already. A client that sends the header only gets its bytes from Python."""
    return headers.get(REFUSED_HEADER) != "refused"


def offloaded_head(head: Head, location: str, offloaded: Offloaded) -> Head:
    """The head that nginx turns into the recording.

    Args:
        head: that of the recording's reply. nginx keeps Content-Type, Content-Disposition, Accept-Ranges and
            Cache-Control of it, takes length, range and validators from storage, and adds the others itself.
        location: the internal nginx location.
        offloaded: the signed URL and the range, for nginx alone: it does not pass X-Storage-… on.
    """
    kept = {name: value for name, value in head.headers.items() if name not in _STORAGE_SENDS}
    for_nginx = {
        "X-Accel-Redirect": location,
        "X-Storage-URL": offloaded.signed_url,
        "X-Storage-Range": offloaded.range_header,
    }
    return replace(head, status=200, headers=kept | for_nginx)
