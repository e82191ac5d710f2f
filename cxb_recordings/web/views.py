"""The admin and the public blueprint: authorise, find the call, deliver its recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response
from werkzeug.exceptions import HTTPException

from ..calls.repository import Call, CallRepository, recording_key_from_call
from ..calls.tokens import fingerprint, is_well_formed
from ..service import RecordingService
from ..signals import Listener
from .responses import deliver, not_found, unavailable


def admin_blueprint(
    name: str,
    url_prefix: str,
    service: RecordingService,
    call_repo: CallRepository,
    require_admin: Callable[[Callable[..., Any]], Callable[..., Any]],
    identity: Callable[[], object],
) -> Blueprint:
    """The admin route, ``{url_prefix}/{session_id}``, behind `require_admin`."""
    blueprint = Blueprint(f"{name}_admin", __name__, url_prefix=url_prefix)

    @require_admin
    def recording(session_id: str) -> Response:
        def listener(_: Call) -> Listener:
            return Listener("admin", session_id, identity())

        return _find_and_deliver(service, lambda: call_repo.find_by_session_id(session_id), listener, public=False)

    blueprint.add_url_rule("/<session_id>", "recording", recording, methods=["GET"])
    return blueprint


def public_blueprint(name: str, url_prefix: str, service: RecordingService, call_repo: CallRepository) -> Blueprint:
    """The public route, ``{url_prefix}/{token}``: whoever has the token may listen."""
    blueprint = Blueprint(f"{name}_public", __name__, url_prefix=url_prefix)

    def recording(token: str) -> Response:
        if not is_well_formed(token):
            return not_found(public=True, step="token")

        def listener(call: Call) -> Listener:
            session_id = call.get("session_id")
            return Listener(
                "public", session_id if isinstance(session_id, str) else None, token_fingerprint=fingerprint(token)
            )

        return _find_and_deliver(service, lambda: call_repo.find_by_access_token(token), listener, public=True)

    blueprint.add_url_rule("/<token>", "recording", recording, methods=["GET"])
    return blueprint


def _find_and_deliver(
    service: RecordingService,
    find: Callable[[], Call | None],
    listener: Callable[[Call], Listener],
    *,
    public: bool,
) -> Response:
    try:
        call = find()
        if call is None:
            return not_found(public=public, step="call")
        key = recording_key_from_call(call)
        if key is None:
            return not_found(public=public, step="key")
        who = listener(call)
    except HTTPException:
        raise
    except Exception:  # noqa: BLE001 - the repository is the host's code and may raise anything
        return unavailable("call repository", public=public)
    return deliver(service, key, who, public=public)
