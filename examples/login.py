"""Who may use the dashboard: a password once, then a JWT in an HttpOnly cookie, or in a header for machines."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_jwt_extended import (
    create_access_token,
    get_jwt,
    set_access_cookies,
    unset_jwt_cookies,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import CSRFError, JWTExtendedException
from jwt.exceptions import PyJWTError
from werkzeug.wrappers import Response as AnyResponse

# flask-jwt-extended's settings. The cookie is HttpOnly; what changes something needs the CSRF token besides.
CONFIG: dict[str, Any] = {
    "JWT_TOKEN_LOCATION": ["headers", "cookies"],
    "JWT_COOKIE_SAMESITE": "Lax",
    "JWT_COOKIE_SECURE": False,  # plain http on loopback; a real host is served by https and says True
    "JWT_CSRF_CHECK_FORM": True,
    "JWT_ACCESS_TOKEN_EXPIRES": timedelta(hours=8),
}


def refusal() -> tuple[int, str] | None:
    """Why the current request is not an administrator's, as a status and a sentence; None where it is."""
    try:
        verify_jwt_in_request()
    except CSRFError:
        return 403, "The CSRF token is missing or wrong; open the page again."
    except (JWTExtendedException, PyJWTError, IndexError):
        # IndexError: an Authorization of blanks and commas, in flask-jwt-extended 4.7.4's own parser.
        return 401, "This needs a login."
    return None if get_jwt().get("role") == "admin" else (403, "This needs an administrator.")


def blueprint(admin_password: str) -> Blueprint:
    """The login page, ``/login`` and ``/logout``, and ``/token`` for machines.

    Args:
        admin_password: what the user `admin` logs in with.
    """
    pages = Blueprint("login", __name__)

    def token() -> str | None:
        user, password = request.form.get("user", ""), request.form.get("password", "")
        # Compared in any case: how long an answer takes must not tell which of the two was wrong.
        is_right = hmac.compare_digest(password.encode(errors="replace"), admin_password.encode())
        return create_access_token(user, additional_claims={"role": "admin"}) if is_right and user == "admin" else None

    @pages.get("/login")
    def page() -> AnyResponse:
        if refusal() is None:
            return redirect(url_for("dashboard.calls"))
        return make_response(render_template("login.html"))

    @pages.post("/login")
    def login() -> AnyResponse:
        made = token()
        if made is None:
            return make_response(render_template("login.html", error="Wrong user or password."), 401)
        response = make_response(redirect(url_for("dashboard.calls"), 303))
        set_access_cookies(response, made)
        return response

    @pages.post("/logout")
    def logout() -> AnyResponse:
        response = make_response(redirect(url_for("login.page"), 303))
        if refusal() is None:  # another site can't log anybody out
            unset_jwt_cookies(response)
        return response

    @pages.post("/token")
    def machine_token() -> Response:
        """The token as plain text: a shell needs no parser for it."""
        made = token()
        if made is None:
            return Response("wrong user or password\n", status=401, mimetype="text/plain")
        return Response(made, mimetype="text/plain", headers={"Cache-Control": "no-store"})

    return pages
