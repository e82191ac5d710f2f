"""Which prefixes ``register`` takes: each of its routes answers every path below its own."""

from __future__ import annotations

import pytest

from cxb_recordings import InMemoryCallRepository, register
from tests.test_registration import CALL, anyone, host, mistakes

ADMIN, PUBLIC = "/api/v1/recordings", "/api/v1/public/recordings"
IN_THE_WAY = [f"{prefix}{rest}" for prefix in (ADMIN, PUBLIC) for rest in ("/<x>", "/<path:x>", "/x", "/x/", "/<x>/y")]


@pytest.mark.parametrize("rule", IN_THE_WAY)
def test_a_route_of_the_host_below_a_prefix_is_a_mistake(rule: str) -> None:
    app = host()
    app.add_url_rule(rule, "page", dict)

    [told] = mistakes(app)

    assert told.startswith("public_url_prefix" if "public" in rule else "admin_url_prefix")
    assert f"is taken in this app by {rule}; " in told


@pytest.mark.parametrize(
    "rule",
    [ADMIN, PUBLIC, f"{ADMIN}/", f"{PUBLIC}/", f"{ADMIN}-old/<x>", "/<path:x>", "/api/<path:x>", "/api/v1/<x>/<y>"],
)
def test_a_route_of_the_host_at_a_prefix_or_beside_it_or_less_exact_is_none(rule: str) -> None:
    app = host()
    app.add_url_rule(rule, "page", dict)
    register(app, dict, InMemoryCallRepository([CALL]), require_admin=anyone)

    assert app.test_client().get(f"{ADMIN}/s-2").get_json()["step"] == "call"
    assert app.test_client().get(f"{PUBLIC}/unknown").get_json()["status"] == 404


def test_a_route_of_the_host_that_does_not_answer_get_may_be_below_a_prefix() -> None:
    app = host()
    app.add_url_rule(f"{ADMIN}/<x>/notes", "notes", lambda x: x, methods=["POST"])
    register(app, dict, InMemoryCallRepository(), require_admin=anyone)

    assert app.test_client().post(f"{ADMIN}/s-1/notes").text == "s-1"
    assert app.test_client().get(f"{ADMIN}/s-1/notes").get_json()["step"] == "call"


@pytest.mark.parametrize(("admin", "public"), [("/a", "/a"), ("/a", "/a/b"), ("/a/b", "/a"), ("/a", "/a/b/c")])
def test_a_prefix_below_or_above_that_of_another_route_is_a_mistake(admin: str, public: str) -> None:
    [told] = mistakes(admin_url_prefix=admin, public_url_prefix=public)
    app = host()
    register(app, dict, InMemoryCallRepository(), admin_url_prefix=admin, public_url_prefix="/elsewhere")
    [of_another] = mistakes(app, name="two", admin_url_prefix="/two", public_url_prefix=public)

    assert told.startswith("public_url_prefix: ")
    assert of_another.startswith("public_url_prefix: ")
    assert told.partition(" is taken")[0] == of_another.partition(" is taken")[0]


def test_prefixes_that_only_begin_alike_are_none() -> None:
    register(host(), dict, InMemoryCallRepository(), admin_url_prefix="/rec", public_url_prefix="/recordings")
