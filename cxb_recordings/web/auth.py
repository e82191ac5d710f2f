"""Who may use the admin route: the default ``require_admin``, on a flask-jwt-extended access token."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, current_app, request
from flask_jwt_extended import exceptions as refused
from flask_jwt_extended import get_jwt, get_jwt_identity, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import exceptions as invalid
from jwt.exceptions import PyJWTError
from werkzeug.exceptions import HTTPException

from .responses import problem, unavailable

View = Callable[..., Any]

_logger = logging.getLogger(__name__)

# Words of our own: the texts of these exceptions may hold a part of the token.
_REASONS: dict[type, str] = {
    IndexError: "malformed Authorization header",
    refused.NoAuthorizationError: "no token",
    refused.InvalidHeaderError: "malformed Authorization header",
    refused.CSRFError: "missing or wrong CSRF token",
    refused.WrongTokenError: "no access token, but a refresh token",
    refused.RevokedTokenError: "revoked token",
    refused.FreshTokenRequired: "a fresh token is needed",
    refused.UserLookupError: "unknown user",
    refused.UserClaimsVerificationError: "the host's own check of the claims refused the token",
    refused.JWTDecodeError: "malformed token, or a claim is missing",
    invalid.ExpiredSignatureError: "expired token",
    invalid.ImmatureSignatureError: "the token is not valid yet",
    invalid.InvalidIssuedAtError: "the token is not valid yet",
    invalid.InvalidSignatureError: "wrong signature",
    invalid.InvalidAlgorithmError: "the algorithm is not allowed",
    invalid.InvalidAudienceError: "wrong audience",
    invalid.InvalidIssuerError: "wrong issuer",
    invalid.MissingRequiredClaimError: "a required claim is missing",
    invalid.InvalidKeyError: "the key does not fit the algorithm",
    invalid.PyJWKClientError: "no key has the token's kid",
    invalid.PyJWTError: "malformed token",
}


def jwt_admin_required(claim: str, values: tuple[str, ...]) -> Callable[[View], View]:
    """Make the decorator that lets valid access tokens with an admin claim through.

    Args:
        claim: the claim's name.
        values: what it may be; a claim that is a list must contain one of them.

    Returns:
        A view decorator. 401 for everything that is not a valid access token (flask-jwt-extended's own handlers would
        say 422 to some), 403 for a valid one without the claim; one log record each says why. 503 where a key or
        another part of the check could not be had.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                verify_jwt_in_request()
            except (JWTExtendedException, PyJWTError, IndexError) as exc:
                if _is_outage(exc):
                    return unavailable("JWT check", public=False)
                _log(401, next(_REASONS[kind] for kind in (*type(exc).__mro__, PyJWTError) if kind in _REASONS))
                return _unauthorized()
            except UnicodeDecodeError:  # a query that is not UTF-8, where JWT_TOKEN_LOCATION has it looked at
                _log(401, "the query is not UTF-8")
                return _unauthorized()
            except HTTPException:  # of the host's own loaders
                raise
            except Exception:  # noqa: BLE001 - the host's own loaders, or a JWT key that is not configured
                return unavailable("JWT check", public=False)
            if not _has(get_jwt().get(claim), values):
                is_there = "has no value that is allowed" if claim in get_jwt() else "is missing"
                _log(403, f"the claim {claim!r} {is_there}")
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


def _is_outage(exc: BaseException) -> bool:
    """Whether a key server, or what else the host's loaders ask, failed; rather than the token."""
    if isinstance(exc, IndexError):  # an Authorization with a blank part raises it, in flask-jwt-extended 4.7.4
        parts = request.headers.get(current_app.config["JWT_HEADER_NAME"], "x").split(",")
        return all(part.split() for part in parts)
    if isinstance(exc, invalid.PyJWKClientError):  # of which only this one is the token's fault
        return not str(exc).startswith("Unable to find a signing key")
    if isinstance(exc, (invalid.PyJWKSetError, invalid.PyJWKError)):
        return True
    cause = exc.__cause__ or exc.__context__
    return cause is not None and (isinstance(cause, OSError) or _is_outage(cause))


def _log(status: int, reason: str) -> None:
    _logger.info("admin route: %d, %s", status, reason, extra={"status": status, "reason": reason})


def _has(value: object, values: tuple[str, ...]) -> bool:
    """Strict: a string is never searched for a part of it."""
    given = value if isinstance(value, list) else [value]
    return any(isinstance(item, str) and item in values for item in given)


def _unauthorized() -> Response:
    response = problem(401, "This needs a valid access token.", public=False)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
