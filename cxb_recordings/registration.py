"""``register``: the one place that knows every part and puts them together."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Flask

from .calls.repository import Call, CallRepository
from .errors import InvalidRegistration
from .links import PUBLIC_URL_PREFIX, URL_PREFIX
from .operations.commands import Registration, add_commands
from .options import DEFAULT_NAME, Options
from .playback_urls import SHORTEST_KEY, PlaybackUrls, keys_and_faults
from .service import RecordingService
from .settings import can_be_asked
from .web.address import current_address
from .web.auth import Decorator, Identity, JwtAdmin, View, jwt_identity
from .web.paths import every_path_below, rule_in_the_way
from .web.stream_guard import StreamGuard
from .web.views import admin_blueprint, playback_blueprint, public_blueprint


def register(  # noqa: D417 - Options describes them, once
    app: Flask,
    settings_provider: Callable[[], Mapping[str, Any]] | Callable[[Call | None], Mapping[str, Any]],
    call_repo: CallRepository,
    *,
    require_admin: Decorator | None = None,
    admin_claim: str | Sequence[str] = "role",
    admin_values: Iterable[str | bool] = ("admin",),
    name: str = DEFAULT_NAME,
    admin_url_prefix: str = "/api/v1/recordings",
    public_url_prefix: str = PUBLIC_URL_PREFIX,
    playback_url_prefix: str | None = None,
    max_chunk_size: int = Options.max_chunk_size,
    connect_timeout: float = Options.connect_timeout,
    read_timeout: float = Options.read_timeout,
    search_timeout: float = Options.search_timeout,
    resume_attempts: int = Options.resume_attempts,
    resume_timeout: float = Options.resume_timeout,
    host_cooldown: float = Options.host_cooldown,
    outage_status: int = Options.outage_status,
    require_https_fleet: bool = Options.require_https_fleet,
    ca_bundle: str | os.PathLike[str] | None = Options.ca_bundle,
    identity: Identity | None = None,
    max_streams: int | None = Options.max_streams,
    offload: str | None = Options.offload,
) -> RecordingService:
    """Mount the admin and the public recording route on a Flask app, and the playback route where it is wanted.

    Args:
        app: the host's app.
        settings_provider: returns the system settings mapping; called once for each request that has found a call.
            One that requires an argument is given the call (None where there is none: in `warm_up`, in commands, and
            for a view of the host's own), so that each tenant may have a bucket.
        call_repo: finds calls by session id and by access token.
        require_admin: view decorator for the admin route; by default a flask-jwt-extended access token is needed
            whose `admin_claim` is one of `admin_values`.
        admin_claim: the claim that the default decorator looks at; several names lead into a nested claim, such as
            ``("realm_access", "roles")``. A string named ``scope`` or ``scp`` counts word by word (RFC 9068, 2.2.3).
        admin_values: what that claim may be; ``True`` is only the JSON ``true``.
        name: prefix of the blueprints' names, and key in ``app.extensions``.
        admin_url_prefix: path in front of ``/{session_id}``.
        public_url_prefix: path in front of ``/{token}``.
        playback_url_prefix: path in front of what is signed in a playback URL; None for no such URLs. With it the
            admin route gives one to ``POST /{session_id}/playback-url``.
        identity: returns whom signals name as the listener on the admin route; by default the JWT's identity.

    All other keywords say how the service behaves: ``cxb_recordings.options.Options`` has each with its unit and
    meaning, and so has the table in docs/hosting.md.

    Returns:
        The recording service, also kept at ``app.extensions[name]``.

    Raises:
        InvalidRegistration: an argument can't work; every mistake is named with its remedy.
    """
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
        ca_bundle=os.fspath(ca_bundle) if isinstance(ca_bundle, os.PathLike) else ca_bundle,
        offload=offload,
    )
    admin_values = _claim_values(admin_values)
    prefixes = {"admin_url_prefix": admin_url_prefix, "public_url_prefix": public_url_prefix}
    if playback_url_prefix is not None:
        prefixes["playback_url_prefix"] = playback_url_prefix
    mistakes = [
        *_mistaken_parts(app, settings_provider, call_repo),
        *_mistaken_callables(require_admin=require_admin, identity=identity),
        *_mistaken_admin(app, require_admin, admin_claim, admin_values),
        *_mistaken_root(app),
        *_mistaken_mounting(app, name, **prefixes),
        *_mistaken_keys(app, playback_url_prefix),
        *options.mistakes(),
    ]
    if mistakes:
        raise InvalidRegistration(mistakes)
    root = app.config["APPLICATION_ROOT"].rstrip("/")  # as url_for has it
    options = replace(options, public_url_prefix=root + public_url_prefix)
    urls = None
    if playback_url_prefix is not None:
        urls = PlaybackUrls(app.config, (app.name, name), playback_url_prefix, current_address)
    service = RecordingService(settings_provider, options, playback_urls=urls)
    login = JwtAdmin(admin_claim, admin_values)
    guard = _proven(require_admin) if require_admin else login
    app.register_blueprint(admin_blueprint(name, admin_url_prefix, service, call_repo, guard, identity or jwt_identity))
    app.register_blueprint(public_blueprint(name, public_url_prefix, service, call_repo))
    if playback_url_prefix is not None and urls is not None:
        app.register_blueprint(playback_blueprint(name, playback_url_prefix, service, urls, call_repo))
    app.extensions[name] = service
    if not isinstance(app.wsgi_app, StreamGuard):  # an earlier registration's guards the streams of all
        app.wsgi_app = StreamGuard(app.wsgi_app)  # type: ignore[method-assign]
    add_commands(
        app, name, Registration(service, call_repo, None if require_admin else partial(login.judge, "headers"))
    )
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
    elif not can_be_asked(settings_provider):
        yield "settings_provider: it is called without arguments, or with the call where it requires one: no more"
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


def _proven(require_admin: Decorator) -> Decorator:
    """The host's decorator; InvalidRegistration where what it returns can't be the admin route's view.

    Without this, ``jwt_required`` in place of ``jwt_required()`` would be a 500 to each request.
    """

    def decorate(view: View) -> View:
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
    elif name in extensions or any(f"{name}_{route}" in blueprints for route in ("admin", "public", "playback")):
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


def _mistaken_keys(app: object, playback_url_prefix: object) -> Iterable[str]:
    if isinstance(app, Flask) and playback_url_prefix is not None:
        for fault in keys_and_faults(app.config)[1]:
            remedy = f"playback URLs need {SHORTEST_KEY} bytes at least, such as secrets.token_hex() gives"
            yield f"playback_url_prefix: {fault}; {remedy}"
