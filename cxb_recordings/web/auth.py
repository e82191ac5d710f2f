"""Who may use the admin route: the default ``require_admin``, on a flask-jwt-extended access token."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response
from flask_jwt_extended import get_jwt, get_jwt_identity, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWTError
from werkzeug.exceptions import HTTPException

from .responses import problem, unavailable

View = Callable[..., Any]


def jwt_admin_required(claim: str, values: tuple[str, ...]) -> Callable[[View], View]:
    """Make the decorator that lets valid access tokens with an admin claim through.

    Args:
        claim: the claim's name.
        values: what it may be; a claim that is a list must contain one of them.

    Returns:
        A view decorator. 401 for everything that is not a valid access token (flask-jwt-extended's own handlers would
        say 422 to some), 403 for a valid one without the claim.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                verify_jwt_in_request()
            except (JWTExtendedException, PyJWTError, IndexError):
                # IndexError: an Authorization of blanks and commas, in flask-jwt-extended 4.7.4's own parser.
                return _unauthorized()
            except HTTPException:  # of the host's own loaders
                raise
            except Exception:  # noqa: BLE001 - the host's own loaders, or a JWT key that is not configured
                return unavailable("JWT check", public=False)
            if not _has(get_jwt().get(claim), values):
                return problem(403, "This needs an administrator's token.", public=False)
            return view(*args, **kwargs)

        return guarded

    return decorate


def jwt_identity() -> object:
    """The identity of the access token of the current request; None where none was checked."""
    try:
        return get_jwt_identity()
    except RuntimeError:
        return None


def _has(value: object, values: tuple[str, ...]) -> bool:
    """Strict: a string is never searched for a part of it."""
    given = value if isinstance(value, list) else [value]
    return any(isinstance(item, str) and item in values for item in given)


def _unauthorized() -> Response:
    response = problem(401, "This needs a valid access token.", public=False)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
