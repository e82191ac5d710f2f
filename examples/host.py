"""The host application: a small call centre with a login, ingestion, a dashboard, and recordings. The part to copy."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask_jwt_extended import JWTManager

from cxb_recordings import register

from . import dashboard, ingestion, login, pages
from .calls import Calls
from .crm_client import CrmClient
from .plugs import Plug
from .sources import Sources
from .tenants import settings_by_call


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What the host must be told.

    Attributes:
        public_url: scheme and host under which listeners reach it: part of every link.
        admin_password: what the user `admin` logs in with.
        ingestion_secret: what machines send as X-Ingestion-Secret.
        crm_url: where the CRM is.
        crm_key: opens the CRM's interface.
        plugs: of sources that can be switched off, by their URLs; a demonstration's toy.
    """

    public_url: str
    admin_password: str = field(repr=False)
    ingestion_secret: str = field(repr=False)
    crm_url: str
    crm_key: str = field(repr=False)
    plugs: Mapping[str, Plug] = field(default_factory=dict)


def create_app(settings_provider: Callable[[], Mapping[str, Any]], calls: Calls, options: HostOptions) -> Flask:
    """Make the application.

    Args:
        settings_provider: returns the system settings: where storage and fleet hosts are. A tenant's bucket is made of
            them.
        calls: finds and stores calls.
        options: the rest.
    """
    app = Flask(__name__)
    app.config |= login.CONFIG | {"MAX_CONTENT_LENGTH": ingestion.MOST_BYTES}
    for name in ("JWT_SECRET_KEY", "SECRET_KEY"):  # a real host keeps its own, the same in every worker
        app.config[name] = secrets.token_urlsafe(32)
    JWTManager(app)

    # All that recordings need: the routes, and what builds the links. The rest is the host's own.
    provider = settings_by_call(settings_provider)
    recordings = register(app, provider, calls, playback_url_prefix="/api/v1/playback")

    crm = CrmClient(options.crm_url, options.crm_key, recordings=recordings, calls=calls, public_url=options.public_url)
    sources = Sources(recordings, options.plugs)
    pages.prepare(app)
    app.register_blueprint(login.blueprint(options.admin_password))
    app.register_blueprint(dashboard.blueprint(recordings, calls, crm, sources))
    app.register_blueprint(ingestion.blueprint(recordings, calls, crm, sources, secret=options.ingestion_secret))
    app.extensions["example_crm"] = crm
    return app
