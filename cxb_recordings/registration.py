"""``register``: the one place that knows every part and puts them together."""

from __future__ import annotations

import inspect
import os
import re
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask

from .calls.repository import CallRepository
from .errors import InvalidRegistration
from .links import URL_PREFIX
from .playback.chunk_size import BASE_CHUNK_SIZE
from .service import Options, RecordingService
from .web.auth import jwt_admin_required, jwt_identity
from .web.cli import Registration, add_commands
from .web.paths import every_path_below, rule_in_the_way
from .web.stream_guard import StreamGuard
from .web.views import admin_blueprint, public_blueprint

LONGEST_TIMEOUT = 2**31 // 1000  # seconds: sockets wait by poll(), whose C int counts milliseconds


def register(
    app: Flask,
    settings_provider: Callable[[], Mapping[str, Any]],
    call_repo: CallRepository,
    *,
    require_admin: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    admin_claim: str | Sequence[str] = "role",
    admin_values: Iterable[str | bool] = ("admin",),
    name: str = "cxb_recordings",
    admin_url_prefix: str = "/api/v1/recordings",
    public_url_prefix: str = "/api/v1/public/recordings",
    max_chunk_size: int = 262144,
    connect_timeout: float = 2.0,
    read_timeout: float = 10.0,
    search_timeout: float = 20.0,
    resume_attempts: int = 8,
    resume_timeout: float = 60.0,
    host_cooldown: float = 10.0,
    outage_status: int = 404,
    require_https_fleet: bool = False,
    ca_bundle: str | os.PathLike[str] | None = None,
    identity: Callable[[], object] | None = None,
    max_streams: int | None = None,
    offload: str | None = None,
) -> RecordingService:
    """Mount the admin and the public recording route on a Flask app.

    Args:
        app: the host's app.
        settings_provider: returns the system settings mapping; called once for each request that has found a call.
        call_repo: finds calls by session id and by access token.
        require_admin: view decorator for the admin route; by default a flask-jwt-extended access token is needed
            whose `admin_claim` is one of `admin_values`.
        admin_claim: the claim that the default decorator looks at; several names lead into a nested claim, such as
            ``("realm_access", "roles")``. A string named ``scope`` or ``scp`` counts word by word (RFC 9068, 2.2.3).
        admin_values: what that claim may be; ``True`` is only the JSON ``true``.
        name: prefix of the blueprints' names, and key in ``app.extensions``.
        admin_url_prefix: path in front of ``/{session_id}``.
        public_url_prefix: path in front of ``/{token}``.
        max_chunk_size: ceiling of a chunk in bytes; 8192 gives fixed 8 KB chunks.
        connect_timeout: seconds for each attempt to connect to a source.
        read_timeout: seconds without a byte from a source, or with less than 8 KB.
        search_timeout: seconds for finding the first byte, all sources together.
        resume_attempts: rounds of retries for a stream that broke; the count resets after 64 KB; 0 cuts it at the
            first break.
        resume_timeout: seconds for them all; time in which the client does not read never counts.
        host_cooldown: seconds for which an unreachable source is asked last.
        outage_status: 404, or 503 (with Retry-After) where no source had a recording and at least one of them failed.
        require_https_fleet: a fleet host with plain http is not asked and counts as failed.
        ca_bundle: path of a PEM file with the certificates to trust for storage and fleet hosts, instead of the usual
            ones (a private CA).
        identity: returns whom signals name as the listener on the admin route; by default the JWT's identity.
        max_streams: streams in progress at most, in each process, and apart from them as many HEADs; beyond it 503 with
            Retry-After. None for no bound.
        offload: the internal nginx location (``/_protected/``) that fetches from storage; see the how-to. Not without
            that nginx in front: the reply holds a signed URL, which nginx alone must see.

    Returns:
        The recording service, also kept at ``app.extensions[name]``.

    Raises:
        InvalidRegistration: an argument can't work; every mistake is named with its remedy.
    """
    admin_values = _claim_values(admin_values)
    mistakes = [
        *_mistaken_parts(app, settings_provider, call_repo),
        *_mistaken_callables(require_admin=require_admin, identity=identity),
        *_mistaken_admin(app, require_admin, admin_claim, admin_values),
        *_mistaken_root(app),
        *_mistaken_mounting(app, name, admin_url_prefix=admin_url_prefix, public_url_prefix=public_url_prefix),
        *_mistaken_counts(BASE_CHUNK_SIZE, "bytes", max_chunk_size=max_chunk_size),
        *_mistaken_counts(0, "attempts", resume_attempts=resume_attempts),
        *_mistaken_counts(1, "streams", max_streams=1 if max_streams is None else max_streams),
        *_mistaken_seconds(
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            search_timeout=search_timeout,
            resume_timeout=resume_timeout,
            host_cooldown=host_cooldown,
        ),
        *_mistaken_outage_status(outage_status),
        *_mistaken_security(require_https_fleet, ca_bundle),
        *_mistaken_offload(offload),
    ]
    if mistakes:
        raise InvalidRegistration(mistakes)
    options = Options(
        max_chunk_size=max_chunk_size,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        search_timeout=search_timeout,
        resume_attempts=resume_attempts,
        resume_timeout=resume_timeout,
        host_cooldown=host_cooldown,
        max_streams=max_streams,
        outage_status=outage_status,
        require_https_fleet=require_https_fleet,
        ca_bundle=None if ca_bundle is None else os.fspath(ca_bundle),
        public_url_prefix=app.config["APPLICATION_ROOT"].rstrip("/") + public_url_prefix,  # as url_for has it
        offload=offload,
    )
    service = RecordingService(settings_provider, options)
    guard = _proven(require_admin) if require_admin else jwt_admin_required(admin_claim, admin_values)
    app.register_blueprint(admin_blueprint(name, admin_url_prefix, service, call_repo, guard, identity or jwt_identity))
    app.register_blueprint(public_blueprint(name, public_url_prefix, service, call_repo))
    app.extensions[name] = service
    if not isinstance(app.wsgi_app, StreamGuard):  # an earlier registration's guards the streams of all
        app.wsgi_app = StreamGuard(app.wsgi_app)  # type: ignore[method-assign]
    add_commands(app, name, Registration(service, call_repo, checks_jwt=require_admin is None))
    return service


def _claim_values(values: object) -> tuple[str | bool, ...]:
    """The items of an iterable of strings and booleans, else none: a lone string would be searched for its letters."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        return ()
    items = tuple(values)
    return items if all(isinstance(item, bool) or (isinstance(item, str) and item) for item in items) else ()


def _mistaken_parts(app: object, settings_provider: object, call_repo: object) -> Iterable[str]:
    if not isinstance(app, Flask):
        yield f"app: a flask.Flask is needed, not {type(app).__name__}"
    if not callable(settings_provider):
        remedy = "; wrap it: lambda: settings" if isinstance(settings_provider, Mapping) else ""
        yield f"settings_provider: a callable that returns the system settings is needed{remedy}"
    for method in ("find_by_session_id", "find_by_access_token"):
        if not callable(getattr(call_repo, method, None)):
            yield f"call_repo: it needs a method {method}; {type(call_repo).__name__} has none"


def _mistaken_callables(**arguments: object) -> Iterable[str]:
    for argument, value in arguments.items():
        if value is not None and not callable(value):
            yield f"{argument}: a callable is needed, not {type(value).__name__}"


def _mistaken_admin(app: object, require_admin: object, claim: object, values: tuple[str | bool, ...]) -> Iterable[str]:
    names = list(claim) if isinstance(claim, Sequence) and not isinstance(claim, str) else [claim]
    if not names or not all(isinstance(item, str) and item for item in names):
        yield 'admin_claim: the name of a claim is needed, or a tuple of names such as ("realm_access", "roles")'
    if not values:
        yield 'admin_values: a tuple of strings or booleans is needed, such as ("admin",); not empty, no lone string'
    if require_admin is None and isinstance(app, Flask) and "flask-jwt-extended" not in app.extensions:
        yield "require_admin: call JWTManager(app) before register() (flask-jwt-extended), or pass your own decorator"


def _proven(require_admin: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[..., Callable[..., Any]]:
    """The host's decorator; InvalidRegistration where what it returns can't be the admin route's view.

    Without this, ``jwt_required`` in place of ``jwt_required()`` would be a 500 to each request.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        guarded = require_admin(view)
        try:
            with suppress(ValueError):  # compiled code, which does not tell its arguments
                inspect.signature(guarded).bind(session_id="")
        except TypeError as exc:
            raise InvalidRegistration(
                [
                    "require_admin: it must return the view that it guards, to be called with session_id; where a call "
                    "makes the decorator, pass what the call returns: jwt_required(), not jwt_required"
                ]
            ) from exc
        return guarded

    return decorate


def _mistaken_root(app: object) -> Iterable[str]:
    root = app.config["APPLICATION_ROOT"] if isinstance(app, Flask) else "/"
    if not isinstance(root, str) or not URL_PREFIX.fullmatch(root.rstrip("/")):
        yield 'app: its APPLICATION_ROOT must be the path that it is mounted below, such as "/voice", or "/"'


def _mistaken_mounting(app: object, name: object, **prefixes: object) -> Iterable[str]:
    extensions, blueprints = (app.extensions, app.blueprints) if isinstance(app, Flask) else ({}, {})
    if not isinstance(name, str) or not name or "." in name:
        yield "name: a non-empty string without dots is needed (Flask separates blueprints with them)"
    elif name in extensions or f"{name}_admin" in blueprints or f"{name}_public" in blueprints:
        yield f"name: {name!r} is taken in this app; give each registration a name of its own"
    rules = list(app.url_map.iter_rules()) if isinstance(app, Flask) else []
    for argument, prefix in prefixes.items():
        if not isinstance(prefix, str) or not prefix or not URL_PREFIX.fullmatch(prefix):
            yield (
                f"{argument}: a path that begins with a slash, does not end with one, and holds no variable and only "
                "characters of a URL is needed"
            )
            continue
        if taken := rule_in_the_way(prefix, rules):
            yield (
                f"{argument}: {prefix!r} is taken in this app by {taken}; give each route a prefix of its own, neither "
                "below nor above that of another: it answers every path below its prefix"
            )
        rules.append(every_path_below(prefix, argument))


def _mistaken_counts(least: int, unit: str, **counts: object) -> Iterable[str]:
    for argument, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            yield f"{argument}: a whole number of {unit} from {least} is needed"


def _mistaken_outage_status(outage_status: object) -> Iterable[str]:
    if outage_status not in (404, 503):
        yield "outage_status: 404 or 503 is needed"


def _mistaken_offload(offload: object) -> Iterable[str]:
    if offload is None:
        return
    if not isinstance(offload, str) or not re.fullmatch(r"/(?:[A-Za-z0-9._~-]+/)+", offload):
        yield "offload: the path of an internal nginx location is needed, such as /_protected/, or None"


def _mistaken_seconds(**seconds: object) -> Iterable[str]:
    for argument, value in seconds.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 < value <= LONGEST_TIMEOUT:  # type: ignore[operator]
            yield f"{argument}: a number of seconds above 0 and up to {LONGEST_TIMEOUT} is needed"


def _mistaken_security(require_https_fleet: object, ca_bundle: object) -> Iterable[str]:
    if not isinstance(require_https_fleet, bool):
        yield "require_https_fleet: True or False is needed"
    if ca_bundle is not None:
        if not isinstance(ca_bundle, (str, os.PathLike)):
            yield f"ca_bundle: a path is needed, not {type(ca_bundle).__name__}"
        elif not os.fspath(ca_bundle) or not Path(ca_bundle).exists():
            yield f"ca_bundle: there is no {os.fspath(ca_bundle)!r}"
        elif not _holds_certificates(ca_bundle):
            yield "ca_bundle: a file of certificates in PEM that can be read is needed, not a directory of them"


def _holds_certificates(path: str | os.PathLike[str]) -> bool:
    try:
        ssl.create_default_context(cafile=path)
    except OSError:  # SSLError is one; of a directory too
        return False
    return True
