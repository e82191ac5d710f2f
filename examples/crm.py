"""A CRM, as a third-party app: it knows nothing of the library, and treats URLs as real ones do.

An activity has a plain link, an embedded player and a download. The URL column holds 255 characters, the player drops
query strings, and the download is a copy that the CRM's server gets and names after the last segment of the URL. The
stable link survives that, and the page shows what is left of a signed storage URL.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from flask import Flask, Response, abort, jsonify, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.utils import secure_filename

from . import pages

COLUMN = 255  # characters
_TIMEOUT = (2, 5)  # seconds to connect and to be answered
_CHUNK = 64 * 1024  # bytes
_LONGEST_TEXT = 4096  # of a field that comes in
_FIELDS = ("session_id", "contact", "agent", "recording_url", "signed_url")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A URL, and what is left of it here.

    Attributes:
        name: what kind of URL it is.
        sent: as it came in.
    """

    name: str
    sent: str

    @property
    def kept(self) -> str:
        """What the URL column holds."""
        return self.sent[:COLUMN]

    @property
    def played(self) -> str:
        """What the player asks for."""
        return self.kept.partition("?")[0]

    @property
    def is_web_address(self) -> bool:
        """Whether it may become a link: `javascript:` may not."""
        return self.kept.startswith(("https://", "http://"))


@dataclass(frozen=True, slots=True)
class Activity:
    """A call in a contact's history."""

    session_id: str
    contact: str
    agent: str
    stable: Attachment
    signed: Attachment


def create_crm(key: str) -> Flask:
    """Make the CRM.

    Args:
        key: what may push activities, sent as X-Api-Key.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    pages.prepare(app, media="http: https:")  # any URL may be in its URL column
    lock = threading.Lock()
    activities: dict[str, Activity] = {}
    session = requests.Session()
    session.trust_env = False

    def known(session_id: str) -> Activity:
        return activities.get(session_id) or abort(404)

    @app.post("/api/activities")
    def push() -> tuple[Response, int]:
        if not hmac.compare_digest(request.headers.get("X-Api-Key", "").encode(), key.encode()):
            return jsonify(error="X-Api-Key: it is missing or wrong"), 401
        activity = _activity(request.form)
        if activity is None:
            return jsonify(error=f"a form with the fields {', '.join(_FIELDS)} is needed"), 400
        with lock:
            activities.pop(activity.session_id, None)
            activities[activity.session_id] = activity
        return jsonify(recording_url=activity.stable.kept), 201

    @app.errorhandler(404)
    def not_found(_: HTTPException) -> tuple[str, int]:
        detail = "No call with this address was pushed here."
        return render_template("crm/error.html", status=404, title="Page not found", detail=detail), 404

    @app.errorhandler(502)
    def no_recording(_: HTTPException) -> tuple[str, int]:
        detail = "The link gives no recording at the moment."
        return render_template("crm/error.html", status=502, title="No recording", detail=detail), 502

    @app.get("/")
    def index() -> str:
        with lock:
            newest = [*activities.values()][::-1]
        return render_template("crm/index.html", activities=newest)

    @app.get("/activities/<session_id>")
    def show(session_id: str) -> str:
        return render_template("crm/activity.html", activity=known(session_id), column=COLUMN)

    @app.get("/activities/<session_id>/recording")
    def download(session_id: str) -> Response:
        return _copy(session, known(session_id).stable.played)

    @app.get("/activities/<session_id>/<name>")
    def fetch(session_id: str, name: str) -> Response:
        """Ask for a recording as the CRM's own server does, and tell what it gets."""
        activity = known(session_id)
        attachment = {"stable": activity.stable, "signed": activity.signed}.get(name) or abort(404)
        return jsonify(_outcome(session, attachment.played))

    return app


def _activity(form: Mapping[str, str]) -> Activity | None:
    texts = {name: form[name] for name in _FIELDS if len(form.get(name, "")) <= _LONGEST_TEXT and name in form}
    if len(texts) < len(_FIELDS):
        return None
    if not texts["session_id"] or "/" in texts["session_id"]:
        return None
    stable = Attachment("stable", texts["recording_url"])
    signed = Attachment("signed", texts["signed_url"])
    return Activity(texts["session_id"], texts["contact"], texts["agent"], stable, signed)


def _copy(session: requests.Session, url: str) -> Response:
    """A copy of a recording, with its type, and the name that its URL ends in."""
    try:
        reply = session.get(
            url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=_TIMEOUT, allow_redirects=False
        )
    except requests.RequestException:
        abort(502)
    if reply.status_code != 200:
        reply.close()
        abort(502)
    kept = {name: reply.headers[name] for name in ("Content-Type", "Content-Length") if name in reply.headers}
    response = Response(reply.iter_content(_CHUNK), headers=kept)
    response.headers.set(
        "Content-Disposition", "attachment", filename=secure_filename(url.rpartition("/")[2]) or "recording"
    )
    response.call_on_close(reply.close)
    return response


def _outcome(session: requests.Session, url: str) -> dict[str, Any]:
    if not url:
        return {"plays": False, "text": "There is nothing to ask for."}
    try:
        with session.get(
            url, headers={"Range": "bytes=0-0"}, stream=True, timeout=_TIMEOUT, allow_redirects=False
        ) as reply:
            plays = reply.status_code in (200, 206) and reply.headers.get("Content-Type", "").startswith("audio/")
            word = {403: "403 AccessDenied", 404: "404 Not Found"}.get(reply.status_code, str(reply.status_code))
            return {"plays": plays, "text": word if not plays else f"{word}, {reply.headers['Content-Type']}"}
    except requests.RequestException as error:
        return {"plays": False, "text": f"no answer ({type(error).__name__})"}
