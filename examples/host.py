"""The host application: a login, and the recordings. This is the part to copy."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, request
from flask_jwt_extended import JWTManager, create_access_token

from cxb_recordings import CallRepository, register


def create_app(
    settings_provider: Callable[[], Mapping[str, Any]], call_repo: CallRepository, *, admin_password: str
) -> Flask:
    """Make the application.

    Args:
        settings_provider: returns the system settings: where storage and fleet hosts are.
        call_repo: finds calls.
        admin_password: what the user `admin` logs in with.
    """
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = secrets.token_urlsafe(32)  # a real host keeps its own, the same in every worker
    JWTManager(app)

    @app.post("/login")
    def login() -> Response:
        """Exchange user and password for an access token, as plain text: a shell needs no parser for it."""
        user, password = request.form.get("user", ""), request.form.get("password", "")
        if user != "admin" or not hmac.compare_digest(password.encode(), admin_password.encode()):
            return Response("wrong user or password\n", status=401, mimetype="text/plain")
        token = create_access_token(user, additional_claims={"role": "admin"})
        return Response(token, mimetype="text/plain", headers={"Cache-Control": "no-store"})

    register(app, settings_provider, call_repo)
    return app
