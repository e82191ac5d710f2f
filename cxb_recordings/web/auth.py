"""Who may use the admin route: the default ``require_admin``, on a flask-jwt-extended access token."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import current_app, request
from flask_jwt_extended import exceptions as refused
from flask_jwt_extended import get_jwt, get_jwt_identity, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import exceptions as invalid
from jwt.exceptions import PyJWTError
from werkzeug.exceptions import HTTPException

from .head import ADMIN, problem
from .responses import Reply, unavailable

View = Callable[..., Any]
Identity = Callable[[], object]  # whom the current request is of
Decorator = Callable[[View], View]

_OF_WORDS = ("scope", "scp")  # claims that are one string of words with spaces between them: RFC 9068 section 2.2.3

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


@dataclass(frozen=True, slots=True)
class JwtAdmin:
    """The decorator that lets valid access tokens with an admin claim through.

    401 for everything that is not a valid access token (flask-jwt-extended's own handlers would say 422 to some), 403
    for a valid one without the claim; one log record each says why. 503 where a key or another part of the check is not
    available.

    Attributes:
        claim: the claim's name; several names lead into a nested claim.
        values: what it may be; a claim that is a list must contain one of them, and so must the words of a string
            named ``scope`` or ``scp`` (RFC 9068 section 2.2.3).
    """

    claim: str | Sequence[str]
    values: tuple[str | bool, ...]

    def __call__(self, view: View) -> View:
        """Guard a view."""

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                refusal = self.judge()
            except HTTPException:  # of the host's own loaders
                raise
            except Exception:  # noqa: BLE001 - the host's own loaders, or a JWT key that is not configured
                return unavailable("JWT check", None, ADMIN)
            if refusal is None:
                return view(*args, **kwargs)
            status, reason = refusal
            _log(status, reason)
            if status == 401:
                return _unauthorized()
            return Reply(problem(403, "This needs an administrator's token.", ADMIN))

        return guarded

    def judge(self, locations: str | None = None) -> tuple[int, str] | None:
        """Judge the access token of the current request.

        Args:
            locations: where it is looked for, such as ``headers``; None: where the app's configuration says.

        Returns:
            None for an administrator's; else the status, 401 or 403, and the reason, without a part of the token.

        Raises:
            Exception: a key, or another part of the check, is not available.
        """
        try:
            verify_jwt_in_request(locations=locations)
        except (JWTExtendedException, PyJWTError, IndexError) as exc:
            if _is_outage(exc):
                raise
            return 401, next(_REASONS[kind] for kind in (*type(exc).__mro__, PyJWTError) if kind in _REASONS)
        except UnicodeDecodeError:  # a query that is not UTF-8, where JWT_TOKEN_LOCATION has it looked at
            return 401, "the query is not UTF-8"
        items = _items(get_jwt(), (self.claim,) if isinstance(self.claim, str) else tuple(self.claim))
        if not items or not _has(items, self.values):
            is_there = "is missing" if items is None else "has no value that is allowed"
            return 403, f"the claim {self.claim!r} {is_there}"
        return None


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
    if isinstance(exc, invalid.PyJWKClientError):  # only this one is the token's fault
        return not str(exc).startswith("Unable to find a signing key")
    if isinstance(exc, (invalid.PyJWKSetError, invalid.PyJWKError)):
        return True
    cause = exc.__cause__ or exc.__context__
    return cause is not None and (isinstance(cause, OSError) or _is_outage(cause))


def _log(status: int, reason: str) -> None:
    _logger.info("admin route: %d, %s", status, reason, extra={"status": status, "reason": reason})


def _items(claims: object, path: tuple[str, ...]) -> list[Any] | None:
    """What the claim at `path` holds; None where there is none."""
    for name in path:
        if not isinstance(claims, dict) or name not in claims:
            return None
        claims = claims[name]
    if isinstance(claims, str) and path[-1] in _OF_WORDS:
        return claims.split(" ")
    return claims if isinstance(claims, list) else [claims]


def _has(items: list[Any], values: tuple[str | bool, ...]) -> bool:
    """Strict: a string is never searched for a part of it, and 1 is not True though Python has them equal."""
    return any(isinstance(item, (str, bool)) and item in values for item in items)


def _unauthorized() -> Reply:
    return Reply(problem(401, "This needs a valid access token.", ADMIN, {"WWW-Authenticate": "Bearer"}))
