"""The dashboard: the table of calls, a call with its player and its link, and the live view with its switches."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from flask import Blueprint, Response, abort, g, jsonify, make_response, redirect, render_template, request, url_for
from flask_jwt_extended import get_jwt, get_jwt_identity
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from cxb_recordings import RecordingService, RepositoryUnavailable

from . import login
from .calls import Calls, CallSummary
from .crm_client import CrmClient, CrmUnavailable
from .live import LiveView
from .sources import Sources

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)
# What the table can be sorted by, and whether the first click on it sorts descending.
SORTS: dict[str, tuple[Any, bool]] = {
    "caller": (lambda call: call.caller.casefold(), False),
    "agent": (lambda call: call.agent.casefold(), False),
    "started": (lambda call: call.started_at or _LONG_AGO, True),
    "duration": (lambda call: call.seconds or 0.0, True),
    "places": (lambda call: call.places or (), False),
}
_FOR_SCRIPTS = ("dashboard.activity", "dashboard.availability")  # a script can do nothing with the login page
NOTICES = {
    "rotated": "The call has a new link, and the CRM knows it. The old one stopped working.",
    "rotated-only": "The call has a new link. The CRM did not get it.",
    "rotated-early": "The call has a new link. The CRM gets it when the recording is stored.",
    "revoked": "The link is revoked: nobody can listen by it any more, not even from the CRM.",
}


def blueprint(recordings: RecordingService, calls: Calls, crm: CrmClient, sources: Sources) -> Blueprint:
    """Every page that needs a login."""
    pages = Blueprint("dashboard", __name__)
    _add_guard(pages, crm.url)
    _add_calls(pages, recordings, calls, crm, sources)
    _add_availability(pages, recordings, calls)
    _add_link_changes(pages, calls, crm)
    _add_live_view(pages, LiveView(recordings, sources.names), sources)
    return pages


def _add_guard(pages: Blueprint, crm_url: str) -> None:
    """A login first; and what goes wrong becomes a page."""

    @pages.before_request
    def guard() -> AnyResponse | None:
        refusal = login.refusal()
        if refusal is None:
            g.csrf_token = get_jwt().get("csrf", "")
            return None
        status, detail = refusal
        if status == 401 and request.method == "GET" and request.endpoint not in _FOR_SCRIPTS:
            return redirect(url_for("login.page"))
        return _error_page(status, detail)

    @pages.app_context_processor
    def shared() -> dict[str, Any]:
        return {"csrf_token": g.get("csrf_token"), "crm_url": crm_url}

    @pages.errorhandler(HTTPException)
    def error(raised: HTTPException) -> AnyResponse:
        return not_found(raised) if raised.code == 404 else _error_page(raised.code or 500, raised.description or "")

    @pages.app_errorhandler(404)
    def not_found(_: HTTPException) -> AnyResponse:
        if "csrf_token" not in g and login.refusal() is None:  # an address that is nobody's: no guard was asked
            g.csrf_token = get_jwt().get("csrf", "")
        return _error_page(404, "The address is wrong, or the call is not here any more.", "Page not found")

    @pages.errorhandler(RepositoryUnavailable)
    def without_database(_: RepositoryUnavailable) -> AnyResponse:
        return _error_page(503, "The calls can't be looked up at the moment. Try again in a few seconds.")


def _add_calls(pages: Blueprint, recordings: RecordingService, calls: Calls, crm: CrmClient, sources: Sources) -> None:
    """The table, and a call with its player."""

    @pages.get("/")
    def index() -> AnyResponse:
        return redirect(url_for(".calls"))

    @pages.get("/calls", endpoint="calls")
    def table() -> str:
        words = request.args.get("q", "")
        sort = request.args.get("sort", "started")
        key, descending_first = SORTS.get(sort, SORTS["started"])
        descending = request.args.get("order", "desc" if descending_first else "asc") == "desc"
        every = calls.newest()
        found = sorted((call for call in every if _matches(call, words)), key=key, reverse=descending)
        return render_template(
            "calls.html", calls=found, total=len(every), words=words, sort=sort, descending=descending, sorts=SORTS
        )

    @pages.get("/calls/<session_id>")
    def call(session_id: str) -> str:
        found = calls.summary(session_id) or abort(404)
        return render_template(
            "call.html",
            call=found,
            playback_url=recordings.playback_url(session_id, identity=get_jwt_identity()),
            link=crm.link(session_id),
            sources=sources.all(calls.find_by_session_id(session_id)),
            notice=NOTICES.get(request.args.get("done", "")),
        )

    @pages.get("/calls/<session_id>/sources")
    def holding(session_id: str) -> str:
        """The panel of sources, after each of them was asked for the recording."""
        found = calls.find_by_session_id(session_id) or abort(404)
        return render_template("_sources.html", sources=sources.holding(found))


def _add_availability(pages: Blueprint, recordings: RecordingService, calls: Calls) -> None:
    """What the player asks for: why there is nothing to play, and whether it is there by now."""

    @pages.get("/calls/<session_id>/availability")
    def availability(session_id: str) -> Response:
        found = recordings.availability(calls.find_by_session_id(session_id) or abort(404))
        return jsonify(status=found.status, type=found.media_type)


def _add_link_changes(pages: Blueprint, calls: Calls, crm: CrmClient) -> None:
    """What an administrator may do to a call's public link."""

    @pages.post("/calls/<session_id>/rotate")
    def rotate(session_id: str) -> AnyResponse:
        found = calls.summary(session_id) or abort(404)
        calls.rotate(session_id)
        done = "rotated" if found.is_stored else "rotated-early"
        try:
            if found.is_stored:
                crm.push(session_id)
        except CrmUnavailable:
            done = "rotated-only"
        return redirect(url_for(".call", session_id=session_id, done=done, _anchor="link-title"), 303)

    @pages.post("/calls/<session_id>/revoke")
    def revoke(session_id: str) -> AnyResponse:
        if not calls.revoke(session_id):
            abort(404)
        return redirect(url_for(".call", session_id=session_id, done="revoked", _anchor="link-title"), 303)


def _add_live_view(pages: Blueprint, live: LiveView, sources: Sources) -> None:
    """The activity, and the switches."""

    @pages.get("/live")
    def live_view() -> str:
        return render_template("live.html", sources=sources.all())

    @pages.get("/live/activity")
    def activity() -> Response:
        """The latest requests, for pages that ask again and again."""
        plugs = {source.number: source.plug.is_in for source in sources.all() if source.plug}
        return jsonify(live.snapshot(request.args.get("session_id")) | {"plugs": plugs})

    @pages.post("/sources/<int:number>")
    def switch(number: int) -> AnyResponse:
        """Pull a source's plug, or put it back; it says which, so that a second click changes nothing."""
        plug = next((source.plug for source in sources.all() if source.number == number), None)
        if plug is None:
            abort(404)
        state = request.form.get("state")
        if state not in ("on", "off"):
            abort(400, "state: on or off is needed.")
        if state == "on":
            plug.put_in()
        else:
            plug.pull()
        return redirect(url_for(".live_view"), 303)


def _error_page(status: int, detail: str, title: str = "That did not work") -> AnyResponse:
    return make_response(render_template("error.html", status=status, title=title, detail=detail), status)


def _matches(call: CallSummary, words: str) -> bool:
    text = " ".join((call.caller, call.agent, call.tenant, call.session_id, *(call.places or ()))).casefold()
    return all(word in text for word in words.casefold().split())
