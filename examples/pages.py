"""What every page of the example has: guarding headers, one format for times and durations, drawn waveforms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask import Flask
from werkzeug.wrappers import Response

# Nothing from elsewhere, no inline script, no inline style; audio from the page's own origin.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src {media}; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def prepare(app: Flask, *, media: str = "'self'") -> None:
    """Give an app the filters of its templates, and each reply that has no policy of its own the pages' headers.

    Args:
        app: the app.
        media: what the policy says of audio.
    """
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters |= {"clock": clock, "day": day, "duration": duration, "ends": ends, "waveform": waveform}

    @app.after_request
    def guard(response: Response) -> Response:
        if "Content-Security-Policy" not in response.headers:  # the library's replies have a stricter one
            response.headers["Content-Security-Policy"] = POLICY.format(media=media)
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "same-origin"
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def clock(moment: datetime) -> str:
    """A time of day, such as ``14:00 UTC``: the same on every page and for every reader."""
    return f"{moment:%H:%M} UTC"


def duration(seconds: float | None) -> str:
    """A duration, such as ``4:05`` or ``1:00:00``."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def day(moment: datetime) -> str:
    """A day, such as ``12 May 2026``."""
    return f"{moment.day} {moment:%b %Y}"


def ends(link: str) -> tuple[str, str]:
    """A link in two parts: the first may be shortened, the second has the end of the token and a file name."""
    name = link.rpartition("/")[2]
    shown = len(name) + 9 if len(name) < 20 else 12
    return link[:-shown], link[-shown:]


def waveform(peaks: Sequence[int]) -> str:
    """An SVG path of one upright line a peak, in a box of height 100; as wide as there are peaks."""
    lines = ((number + 0.5, max(peak, 4) / 2) for number, peak in enumerate(peaks))
    return "".join(f"M{x} {50 - half:g}V{50 + half:g}" for x, half in lines)
