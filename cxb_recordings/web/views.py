"""The blueprints, admin, public and playback: authorise, find the call, deliver its recording or a URL for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from uuid import UUID

from flask import Blueprint, Response
from werkzeug.exceptions import HTTPException

from ..calls.repository import Call, CallRepository, FindCall, recording_key_from_call
from ..calls.tokens import fingerprint, is_well_formed
from ..playback.events import Listener, RecordingNotFound, RequestAnswered
from ..playback_urls import PlaybackUrls
from ..service import RecordingService
from .auth import Decorator, Identity
from .head import ADMIN, PUBLIC, Audience, created, not_found
from .paths import add_route
from .responses import Reply, deliver, unavailable


def admin_blueprint(
    name: str,
    url_prefix: str,
    service: RecordingService,
    call_repo: CallRepository,
    require_admin: Decorator,
    identity: Identity,
) -> Blueprint:
    """The admin route, ``{url_prefix}/{session_id}``, behind `require_admin`.

    Where the service has playback URLs, ``POST {url_prefix}/{session_id}/playback-url`` gives one, behind it as well.
    """
    blueprint = Blueprint(f"{name}_admin", __name__, url_prefix=url_prefix)
    blueprint.after_request(partial(_report, service, "admin"))

    @require_admin
    def recording(session_id: str) -> Response:
        listener = Listener("admin", session_id)
        if not session_id:  # the prefix with a slash behind it: asked of no repository
            return _nothing_to_play(service, "call", listener, ADMIN)
        found = _find(service, lambda: call_repo.find_by_session_id(session_id), listener, ADMIN, identity)
        if isinstance(found, Reply):
            return found
        return deliver(service, found.key, found.listener, ADMIN, found.call, found.filename)

    add_route(blueprint, "session_id", recording)
    urls = service.playback_urls
    if urls is None:
        return blueprint

    @require_admin
    def playback_url(session_id: str) -> Response:
        listener = Listener("admin", session_id)
        if not session_id:
            return _nothing_to_play(service, "call", listener, ADMIN)
        found = _find(service, lambda: call_repo.find_by_session_id(session_id), listener, ADMIN, identity)
        return found if isinstance(found, Reply) else _give_playback_url(urls, found.listener)

    add_route(blueprint, "session_id", playback_url, endpoint="playback_url", ending="/playback-url", method="POST")
    return blueprint


def public_blueprint(name: str, url_prefix: str, service: RecordingService, call_repo: CallRepository) -> Blueprint:
    """The public route, ``{url_prefix}/{token}``: anyone who has the token may listen.

    A file name may follow the token, ``{url_prefix}/{token}/call.mp3``. It is for the client and is not checked.
    """
    blueprint = Blueprint(f"{name}_public", __name__, url_prefix=url_prefix)
    blueprint.after_request(partial(_report, service, "public"))

    def recording(token: str) -> Response:
        token, *names = token.split("/")
        listener = Listener("public", token_fingerprint=fingerprint(token))
        if not is_well_formed(token):
            return _nothing_to_play(service, "token", listener, PUBLIC)
        found = _find(service, lambda: call_repo.find_by_access_token(token), listener, PUBLIC)
        if isinstance(found, Reply):
            return found
        filename = found.filename or "".join(names[-1:])
        return deliver(service, found.key, found.listener, PUBLIC, found.call, filename)

    add_route(blueprint, "token", recording)
    return blueprint


def playback_blueprint(
    name: str, url_prefix: str, service: RecordingService, urls: PlaybackUrls, call_repo: CallRepository
) -> Blueprint:
    """The playback route, ``{url_prefix}/{signed}``: as the public route, for what was signed here and is not over."""
    blueprint = Blueprint(f"{name}_playback", __name__, url_prefix=url_prefix)
    blueprint.after_request(partial(_report, service, "playback"))

    def recording(signed: str) -> Response:
        signed, *names = signed.split("/")
        listener = Listener("playback", token_fingerprint=fingerprint(signed))
        claims = urls.read(signed)
        if claims is None:
            return _nothing_to_play(service, "token", listener, PUBLIC)
        listener = replace(listener, session_id=claims.session_id, identity=claims.identity)
        if urls.has_expired(claims):
            return _nothing_to_play(service, "expired", listener, PUBLIC)
        found = _find(service, lambda: call_repo.find_by_session_id(claims.session_id), listener, PUBLIC)
        if isinstance(found, Reply):
            return found
        filename = found.filename or "".join(names[-1:])
        return deliver(service, found.key, found.listener, PUBLIC, found.call, filename)

    add_route(blueprint, "signed", recording)
    return blueprint


def _report(service: RecordingService, route: str, response: Response) -> Response:
    """Report a reply of a blueprint; there may be one of the host's decorators or error handlers."""
    # Not by isinstance: a host's own `response_class` takes the place of the reply's class.
    source, playback_id = getattr(response, "source", None), getattr(response, "playback_id", None)
    service.tell(RequestAnswered(route, response.status_code, source, playback_id))
    return response


@dataclass(frozen=True, slots=True)
class _Found:
    """A call with a recording.

    Attributes:
        call: as the repository returns it.
        key: the storage key.
        filename: the name that the call gives; empty where it gives none.
        listener: with all that is known of who asked.
    """

    call: Call
    key: str
    filename: str
    listener: Listener


def _find(
    service: RecordingService,
    find: FindCall,
    listener: Listener,
    audience: Audience,
    identity: Identity | None = None,
) -> _Found | Reply:
    """The call that the repository finds; the reply where there is nothing to play, or the host's code fails."""
    step = "identity"
    try:
        if identity is not None:
            listener = replace(listener, identity=identity())
        step = "call repository"
        call = find()
        if call is None:
            return _nothing_to_play(service, "call", listener, audience)
        key = recording_key_from_call(call)
        session_id, named = call.get("session_id"), call.get("recording_filename")
    except HTTPException:
        raise
    except Exception:  # noqa: BLE001 - both are the host's code and may raise anything
        return unavailable(step, listener, audience)
    if listener.session_id is None and isinstance(session_id, str):
        listener = replace(listener, session_id=session_id)
    if key is None:
        return _nothing_to_play(service, "key", listener, audience, "not-uploaded")
    return _Found(call, key, named if isinstance(named, str) else "", listener)


def _give_playback_url(urls: PlaybackUrls, listener: Listener) -> Reply:
    """201 with a playback URL of a call that has a key, for the identity that asked."""
    identity = str(listener.identity) if isinstance(listener.identity, (int, UUID)) else listener.identity
    try:
        made = urls.make(listener.session_id, identity=identity)
    except ValueError:  # the host's identity can't be part of it, or the app's key is too short by now
        return unavailable("playback URL", listener, ADMIN)
    expires_at = datetime.fromtimestamp(made.expires_at, timezone.utc).isoformat().replace("+00:00", "Z")
    return Reply(created({"url": made.url, "expires_at": expires_at}, ADMIN), listener)


def _nothing_to_play(
    service: RecordingService, step: str, listener: Listener, audience: Audience, reason: str | None = None
) -> Reply:
    service.tell(RecordingNotFound(listener, step))
    return Reply(not_found(audience, step, reason), listener)
