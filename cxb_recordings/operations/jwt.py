"""The default login of the admin route: whether it has a key, and what it says to one access token.

The token is judged by the route's own code (``web.auth``); here its verdict is put into an operator's words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Flask
from flask_jwt_extended.config import config
from flask_jwt_extended.default_callbacks import default_decode_key_callback
from jwt.algorithms import get_default_algorithms

from ..findings import Check, Finding, what

# Judges the access token in the current request's headers: status and reason; None where nothing is wrong with it.
JudgeJwt = Callable[[], tuple[int, str] | None]

SHORTEST_HMAC_KEY = 32  # bytes: RFC 7518 §3.2, for HS256

_ALGORITHM = "sign tokens with JWT_ALGORITHM, or add the issuer's algorithm to JWT_DECODE_ALGORITHMS"
# By the reason of the route's log record: what is wrong, where that can be said better, and what to do.
_WORDS = {
    "wrong signature": (
        "wrong key: it was signed with another one",
        "set JWT_SECRET_KEY or JWT_PUBLIC_KEY to the issuer's",
    ),
    "expired token": ("it has expired", "log in again; look at JWT_ACCESS_TOKEN_EXPIRES, and at the issuer's clock"),
    "the token is not valid yet": ("", "compare the issuer's clock with this machine's (NTP)"),
    "the algorithm is not allowed": ("wrong algorithm: it is not among those that are allowed", _ALGORITHM),
    "the key does not fit the algorithm": ("", _ALGORITHM),
    "no key has the token's kid": (
        "",
        "look whether the key server is the issuer's, and whether its keys were rotated",
    ),
    "wrong audience": ("", "set JWT_DECODE_AUDIENCE to the token's aud"),
    "wrong issuer": ("", "set JWT_DECODE_ISSUER to the token's iss"),
    "no access token, but a refresh token": ("it is a refresh token, no access token", "send the access token"),
    "revoked token": ("it is revoked", "log in again"),
    "malformed token": ("", "look whether all of it was copied: three parts with dots between them"),
    "malformed token, or a claim is missing": ("", "look whether it is an access token, with the claim type"),
}


def check_jwt_key(app: Flask) -> Iterator[Finding]:
    """Whether the default admin decorator has a key for tokens, as far as that is known without one."""
    manager = app.extensions["flask-jwt-extended"]
    if getattr(manager, "_decode_key_callback", None) is not default_decode_key_callback:
        seen = "the key comes from the app's own decode_key_loader: `doctor --jwt -` tries it with a token"
        yield Finding("ok", Check.JWT, seen)
        return
    algorithm = config.algorithm
    field = "JWT_PUBLIC_KEY" if config.is_asymmetric else "JWT_SECRET_KEY"
    try:
        key = config.decode_key
        get_default_algorithms()[algorithm].prepare_key(key)
    except RuntimeError:  # flask-jwt-extended's, for a key that is not there
        remedy = f"set {field} in the app's configuration"
        yield Finding("failure", Check.JWT, f"no {field}, for {algorithm}: the admin route answers 503", remedy)
        return
    except Exception as exc:  # noqa: BLE001 - whatever a key raises; the text may hold a part of it
        seen = f"{field} is no key for {algorithm} ({type(exc).__name__}): no token is accepted"
        yield Finding("failure", Check.JWT, seen, f"correct {field} or JWT_ALGORITHM in the app's configuration")
        return
    if not config.is_asymmetric and isinstance(key, (str, bytes)) and len(key) < SHORTEST_HMAC_KEY:
        seen = f"the key has {len(key)} bytes: who guesses it is an administrator"
        remedy = f"{SHORTEST_HMAC_KEY} random bytes at least, such as secrets.token_hex()"
        yield Finding("warning", Check.JWT, seen, remedy)
    else:
        yield Finding("ok", Check.JWT, f"a key is there, for {algorithm}")


def check_jwt(app: Flask, token: str, judge: JudgeJwt) -> Iterator[Finding]:
    """Whether the admin route takes an access token, which is in no finding.

    Args:
        app: the host's.
        token: the access token.
        judge: the admin route's own judgement of the current request.
    """
    kind = app.config["JWT_HEADER_TYPE"]
    header = f"{kind} {token.removeprefix(kind).strip()}".strip()  # the whole header's value may have been copied
    try:
        with app.test_request_context(headers={app.config["JWT_HEADER_NAME"]: header}):
            refusal = judge()
    except ValueError:  # a line break or a character that no header carries
        yield Finding(
            "failure", Check.JWT_TOKEN, "it is no token: no header can carry it", "give one token on one line"
        )
        return
    except Exception as exc:  # noqa: BLE001 - of the host's own loaders, or of a key server
        seen = f"the check itself raised {what(exc)}: the admin route answers 503"
        yield Finding("failure", Check.JWT_TOKEN, seen, "look at the key server, and at the app's own JWT loaders")
        return
    if refusal is None:
        yield Finding("ok", Check.JWT_TOKEN, "valid, and an administrator's")
        return
    status, reason = refusal
    seen, remedy = _WORDS.get(reason, ("", "look at what the issuer puts into the token"))
    if status == 403:
        remedy = "set admin_claim and admin_values in register() to what the issuer sends"
    yield Finding("failure", Check.JWT_TOKEN, f"{seen or reason}: the admin route answers {status}", remedy)
