"""Which claims make an administrator: nested ones, strings of words, and JSON's own booleans."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from cxb_recordings import InMemoryCallRepository, register

from .site import PREFIXES, admin_headers, host_app

PROBLEM = "application/problem+json"
PATH = f"{PREFIXES['admin']}/s-1"


@pytest.mark.parametrize(
    ("claim", "values", "claims", "status"),
    [
        (("realm_access", "roles"), ("admin",), {"realm_access": {"roles": ["user", "admin"]}}, 404),
        (["a", "b", "c"], ("admin",), {"a": {"b": {"c": "admin"}}}, 404),
        (("role",), ("admin",), {"role": "admin"}, 404),
        ("https://idp.example.com/a.b", ("admin",), {"https://idp.example.com/a.b": ["admin"]}, 404),
        (("realm_access", "roles"), ("admin",), {"realm_access": {"roles": ["user"]}}, "has no value"),
        (("realm_access", "roles"), ("admin",), {"realm_access": {"roles": []}}, "has no value"),
        (("realm_access", "roles"), ("admin",), {"realm_access": {"roles": {"admin": 1}}}, "has no value"),
        (("realm_access", "roles"), ("admin",), {"realm_access": {}}, "is missing"),
        (("realm_access", "roles"), ("admin",), {"realm_access": ["roles", "admin"]}, "is missing"),
        (("realm_access", "roles"), ("admin",), {"realm_access": "roles"}, "is missing"),
        (("realm_access", "roles"), ("admin",), {"realm_access": None}, "is missing"),
        (("realm_access", "roles"), ("admin",), {"roles": ["admin"]}, "is missing"),
        ("realm_access.roles", ("admin",), {"realm_access": {"roles": ["admin"]}}, "is missing"),
        ("scope", ("ops",), {"scope": "openid ops"}, 404),
        ("scp", ("ops",), {"scp": "ops openid"}, 404),
        ("scp", ("ops",), {"scp": ["openid", "ops"]}, 404),
        (("client", "scope"), ("ops",), {"client": {"scope": "openid ops"}}, 404),
        ("scope", ("ops",), {"scope": "openid devops ops:read OPS"}, "has no value"),
        ("scope", ("ops",), {"scope": "openid\tops"}, "has no value"),
        ("scope", ("ops",), {"scope": "openid\u00a0ops"}, "has no value"),
        ("scope", ("ops",), {"scope": ["openid ops"]}, "has no value"),
        ("scope", ("ops",), {"scope": ""}, "has no value"),
        ("role", ("ops",), {"role": "openid ops"}, "has no value"),
        ("role", ("admin",), {"role": "admin"}, 404),
        ("role", ("admin",), {"role": ["user", "admin"]}, 404),
        *(("role", ("admin",), {"role": it}, "has no value") for it in ("user", "admins", "Admin", "adm", "", None, 1)),
        *(("role", ("admin",), {"role": it}, "has no value") for it in (True, {}, {"admin": 1}, [], [["admin"]])),
        ("scope", ("ops", "support"), {"scope": ["support"]}, 404),
        ("scope", ("ops",), {"role": "ops"}, "is missing"),
        ("is_admin", (True,), {"is_admin": True}, 404),
        ("is_admin", (True,), {"is_admin": [False, True]}, 404),
        ("is_admin", (True, "yes"), {"is_admin": "yes"}, 404),
        *(("is_admin", (True,), {"is_admin": it}, "has no value") for it in (1, 1.0, "true", "True", "1", False, None)),
        *(("is_admin", ("true", "1"), {"is_admin": it}, "has no value") for it in (True, 1)),
        ("is_admin", (False,), {"is_admin": 0}, "has no value"),
    ],
)
def test_roles_are_found_as_identity_providers_send_them(
    claim: Any, values: Any, claims: dict[str, Any], status: int | str, caplog: pytest.LogCaptureFixture
) -> None:
    app = host_app()
    register(app, dict, InMemoryCallRepository(), admin_claim=claim, admin_values=values)
    caplog.set_level(logging.INFO, "cxb_recordings.web.auth")

    reply = app.test_client().get(PATH, headers=admin_headers(app, **claims))

    assert (reply.status_code, reply.content_type) == (403 if isinstance(status, str) else status, PROBLEM)
    assert "WWW-Authenticate" not in reply.headers
    told = [record.getMessage() for record in caplog.records if record.name == "cxb_recordings.web.auth"]
    assert len(told) == (0 if status == 404 else 1)
    assert all(f"the claim {claim!r} {status}" in line for line in told)
