"""``register``: its defaults, its mistakes, several applications and registrations, and what it returns."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

import certifi
import pytest
from flask import Blueprint, Flask
from flask_jwt_extended import JWTManager, jwt_required

from cxb_recordings import (
    InMemoryCallRepository,
    InvalidRegistration,
    RecordingService,
    register,
)
from tests.servers.moto_s3 import Bucket
from tests.servers.origin import OriginFactory

KEY = "2024/05/s-1.wav"
CALL = {"session_id": "s-1", "recording_key": KEY, "recording_access_token": "token-1"}


def host(*, jwt: bool = True) -> Flask:
    app = Flask("host")
    app.config |= {
        "JWT_SECRET_KEY": "a key of sixty-four characters, as long as the longest hash needs",
        "TESTING": True,
    }
    if jwt:
        JWTManager(app)
    return app


def keyed(key: object, *fallbacks: object) -> Flask:
    app = host()
    app.config |= {"SECRET_KEY": key, "SECRET_KEY_FALLBACKS": list(fallbacks)}
    return app


def anyone(view: Any) -> Any:
    return view


def mistakes(app: object = None, settings: object = dict, calls: object = None, **options: Any) -> tuple[str, ...]:
    """What ``register`` says of its arguments; nothing is mounted then."""
    app = app or host()
    mounted = list(getattr(app, "blueprints", ()))
    with pytest.raises(InvalidRegistration) as caught:
        register(app, settings, calls or InMemoryCallRepository(), **options)  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)
    assert list(getattr(app, "blueprints", ())) == mounted
    for mistake in caught.value.mistakes:
        assert mistake in str(caught.value)
    return caught.value.mistakes


def test_three_arguments_are_enough() -> None:
    app = host()

    service = register(app, dict, InMemoryCallRepository())

    assert isinstance(service, RecordingService)
    assert app.extensions["cxb_recordings"] is service
    rules = {rule.endpoint: (rule.rule, rule.methods) for rule in app.url_map.iter_rules()}
    methods = {"GET", "HEAD", "OPTIONS"}
    assert rules["cxb_recordings_admin.recording"] == ("/api/v1/recordings/<cxb_recordings_any:session_id>", methods)
    assert rules["cxb_recordings_public.recording"] == ("/api/v1/public/recordings/<cxb_recordings_any:token>", methods)


@pytest.mark.parametrize(
    ("arguments", "named", "remedy"),
    [
        ({"app": "host"}, "app", "a flask.Flask is needed"),
        ({"app": Blueprint("host", "host")}, "app", "a flask.Flask is needed"),
        ({"settings": {"minio": {}}}, "settings_provider", "lambda: settings"),
        ({"settings": 3}, "settings_provider", "a callable"),
        ({"settings": lambda tenant, call: {}}, "settings_provider", "no more"),
        ({"settings": lambda *, call: {}}, "settings_provider", "no more"),
        ({"calls": object()}, "call_repo", "find_by_session_id"),
        ({"require_admin": "admin"}, "require_admin", "a callable"),
        ({"app": host(jwt=False)}, "require_admin", "JWTManager(app)"),
        ({"identity": "anna"}, "identity", "a callable"),
        ({"admin_claim": ""}, "admin_claim", "the name of a claim"),
        ({"admin_claim": 3}, "admin_claim", "the name of a claim"),
        *(
            ({"admin_claim": it}, "admin_claim", '("realm_access", "roles")')
            for it in ((), ("a", ""), ("a", 3), {"a"}, b"a")
        ),
        ({"admin_values": "admin"}, "admin_values", '("admin",)'),
        ({"admin_values": True}, "admin_values", '("admin",)'),
        ({"admin_values": [1]}, "admin_values", '("admin",)'),
        ({"admin_values": ()}, "admin_values", '("admin",)'),
        ({"admin_values": ["admin", 3]}, "admin_values", '("admin",)'),
        ({"admin_values": None}, "admin_values", '("admin",)'),
        ({"name": ""}, "name", "without dots"),
        ({"name": "a.b"}, "name", "without dots"),
        ({"name": None}, "name", "without dots"),
        ({"admin_url_prefix": "recordings"}, "admin_url_prefix", "begins with a slash"),
        ({"admin_url_prefix": "/recordings/"}, "admin_url_prefix", "does not end with one"),
        ({"public_url_prefix": "/"}, "public_url_prefix", "does not end with one"),
        ({"public_url_prefix": "/<tenant>"}, "public_url_prefix", "no variable"),
        ({"public_url_prefix": "/a b?c"}, "public_url_prefix", "characters of a URL"),
        ({"public_url_prefix": "//host/x"}, "public_url_prefix", "begins with a slash"),
        ({"public_url_prefix": ""}, "public_url_prefix", "begins with a slash"),
        ({"admin_url_prefix": None}, "admin_url_prefix", "begins with a slash"),
        ({"public_url_prefix": "/api/v1/recordings"}, "public_url_prefix", "is taken"),
        *(
            ({"playback_url_prefix": it}, "playback_url_prefix", "a path that begins with a slash")
            for it in ("", "/", "play", "/play/", "/<x>", True)
        ),
        *(
            ({"playback_url_prefix": it, "app": keyed("k" * 32)}, "playback_url_prefix", "is taken")
            for it in ("/api/v1/recordings", "/api/v1/public/recordings/x", "/api/v1", "/api/v1/recordings/x/y")
        ),
        *(
            (
                {"playback_url_prefix": "/play", "app": keyed(*keys)},
                "playback_url_prefix",
                f"{told}; playback URLs need 32 by",
            )
            for keys, told in (
                ((None,), "SECRET_KEY: missing"),
                ((7,), "SECRET_KEY: a string is needed, not int"),
                (("dev",), "SECRET_KEY: it has 3 bytes, and who guesses it opens every recording"),
                (("k" * 31,), "SECRET_KEY: it has 31 bytes, and who guesses it opens every recording"),
                (
                    ("k" * 32, "old"),
                    "SECRET_KEY_FALLBACKS[0]: it has 3 bytes, and who guesses it opens every recording",
                ),
            )
        ),
        ({"max_chunk_size": 8191}, "max_chunk_size", "from 8192"),
        ({"max_chunk_size": 65536.0}, "max_chunk_size", "a whole number of bytes"),
        ({"connect_timeout": 0}, "connect_timeout", "above 0"),
        ({"read_timeout": -1}, "read_timeout", "above 0"),
        ({"read_timeout": "10"}, "read_timeout", "a number of seconds"),
        ({"read_timeout": True}, "read_timeout", "a number of seconds"),
        ({"search_timeout": float("nan")}, "search_timeout", "a number of seconds"),
        ({"search_timeout": float("inf")}, "search_timeout", "a number of seconds"),
        ({"connect_timeout": 1e300}, "connect_timeout", "a number of seconds"),
        ({"read_timeout": 10**400}, "read_timeout", "a number of seconds"),
        ({"resume_timeout": None}, "resume_timeout", "a number of seconds"),
        ({"host_cooldown": None}, "host_cooldown", "a number of seconds"),
        ({"resume_attempts": -1}, "resume_attempts", "from 0"),
        ({"max_streams": 0}, "max_streams", "from 1"),
        ({"outage_status": 500}, "outage_status", "404 or 503"),
        ({"outage_status": True}, "outage_status", "404 or 503"),
        ({"require_https_fleet": 1}, "require_https_fleet", "True or False"),
        ({"require_https_fleet": "yes"}, "require_https_fleet", "True or False"),
        ({"ca_bundle": "/no/such/file.pem"}, "ca_bundle", "there is no '/no/such/file.pem'"),
        ({"ca_bundle": 3}, "ca_bundle", "a path"),
        ({"ca_bundle": ""}, "ca_bundle", "there is no ''"),
        ({"ca_bundle": Path(__file__).parent}, "ca_bundle", "a file of certificates in PEM"),
        ({"ca_bundle": __file__}, "ca_bundle", "a file of certificates in PEM"),
        ({"offload": "_protected"}, "offload", "/_protected/"),
        ({"offload": True}, "offload", "/_protected/"),
        ({"require_admin": lambda view: None}, "require_admin", "return the view"),
        ({"require_admin": lambda view: lambda: view}, "require_admin", "return the view"),
        ({"require_admin": jwt_required}, "require_admin", "jwt_required()"),
    ],
)
def test_a_mistake_is_told_at_once_with_its_remedy(arguments: dict[str, Any], named: str, remedy: str) -> None:
    told = [mistake for mistake in mistakes(**arguments) if mistake.startswith(f"{named}: ")]

    assert remedy in told[0]


def test_all_mistakes_are_told_together() -> None:
    app = host(jwt=False)

    told = mistakes(app, 3, object(), name="a.b", max_chunk_size=0, public_url_prefix="x")

    names = {mistake.partition(":")[0] for mistake in told}
    assert names == {"settings_provider", "call_repo", "require_admin", "name", "max_chunk_size", "public_url_prefix"}
    assert len([mistake for mistake in told if mistake.startswith("call_repo")]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_chunk_size": 8192},
        {"admin_values": ["admin"]},
        {"admin_values": [True, "yes"]},
        {"admin_claim": ["realm_access", "roles"]},
        {"admin_values": {"admin", "root"}},
        {"resume_attempts": 0, "max_streams": 1, "outage_status": 503},
        {"outage_status": HTTPStatus.SERVICE_UNAVAILABLE},
        {"ca_bundle": Path(certifi.where())},
        {"ca_bundle": certifi.where()},
        {"require_admin": jwt_required()},
        {"require_admin": lambda view: lambda **arguments: view(**arguments)},
        {"require_admin": lambda view: dict},
        {"read_timeout": 86400},
        {"public_url_prefix": "/r"},
        {"admin_url_prefix": "/a/b-c/~d"},
        {"playback_url_prefix": None},
        {"playback_url_prefix": "/play", "app": keyed("k" * 32, b"o" * 32)},
        {"playback_url_prefix": "/api/v1/recordings-now", "app": keyed("k" * 32)},
    ],
)
def test_what_can_work_is_accepted(arguments: dict[str, Any]) -> None:
    app = arguments.get("app") or host()
    register(app, dict, InMemoryCallRepository(), **{name: arguments[name] for name in arguments if name != "app"})


def test_a_second_registration_under_the_same_name_or_prefix_is_a_mistake() -> None:
    app = host()
    register(app, dict, InMemoryCallRepository())

    names = {mistake.partition(":")[0] for mistake in mistakes(app)}

    assert names == {"name", "admin_url_prefix", "public_url_prefix"}


@pytest.mark.parametrize("blueprint", ["tenant_admin", "tenant_public", "tenant_playback"])
def test_a_name_whose_blueprint_the_host_has_already_is_a_mistake(blueprint: str) -> None:
    app = host()
    app.register_blueprint(Blueprint(blueprint, "host"))

    [told] = mistakes(app, name="tenant")

    assert told.startswith("name: 'tenant' is taken in this app")
    register(app, dict, InMemoryCallRepository(), name=blueprint)


def test_two_registrations_in_one_app_do_not_disturb_each_other(make_origin: OriginFactory) -> None:
    app = host()
    first, second = make_origin({KEY: b"first"}), make_origin({KEY: b"second"})
    one = register(app, lambda: {"cxbcore_fleet": [first.url]}, InMemoryCallRepository([CALL]), require_admin=anyone)
    two = register(
        app,
        lambda: {"cxbcore_fleet": [second.url]},
        InMemoryCallRepository([CALL | {"recording_access_token": "token-2"}]),
        require_admin=anyone,
        name="second",
        admin_url_prefix="/second/private",
        public_url_prefix="/second/public",
    )
    client = app.test_client()

    assert client.get("/api/v1/recordings/s-1").data == b"first"
    assert client.get("/second/private/s-1").data == b"second"
    assert client.get("/api/v1/public/recordings/token-1").data == b"first"
    assert client.get("/second/public/token-2").data == b"second"
    assert client.get("/second/public/token-1").status_code == 404
    assert (app.extensions["cxb_recordings"], app.extensions["second"]) == (one, two)
    assert one.build_public_recording_url("h.example", "t") == "https://h.example/api/v1/public/recordings/t"
    assert two.build_public_recording_url("h.example", "t") == "https://h.example/second/public/t"


def test_a_change_of_the_settings_takes_effect_without_a_restart(
    make_origin: OriginFactory, moto_bucket: Bucket
) -> None:
    moto_bucket.put(KEY, b"storage")
    server, app = make_origin({KEY: b"fleet"}), host()
    live: dict[str, Any] = {}
    register(app, lambda: live, InMemoryCallRepository([CALL]))

    def played() -> bytes:
        body: bytes = app.test_client().get("/api/v1/public/recordings/token-1").data
        return body

    assert b"There is no such recording" in played()
    live["cxbcore_fleet"] = [server.url]
    assert played() == b"fleet"
    live["minio"] = moto_bucket.settings(bucket="another")
    assert played() == b"fleet"
    live["minio"]["bucket"] = moto_bucket.name
    assert played() == b"storage"
    del live["minio"]
    assert played() == b"fleet"


def test_warm_up_makes_the_clients_before_the_first_listener_comes(
    moto_bucket: Bucket, make_origin: OriginFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    moto_bucket.put(KEY, b"storage")
    app, server = host(), make_origin()
    settings = {"minio": moto_bucket.settings(), "cxbcore_fleet": [server.url]}
    service = register(app, lambda: settings, InMemoryCallRepository([CALL]))

    service.warm_up()

    def too_late(*_: object, **__: object) -> None:
        raise AssertionError("a client is made for a listener")

    monkeypatch.setattr("cxb_recordings.sources.storage.kind.ObjectStorage", too_late)
    monkeypatch.setattr("cxb_recordings.sources.fleet.make_session", too_late)
    assert app.test_client().get("/api/v1/public/recordings/token-1").data == b"storage"
    assert server.requests == []


def test_warm_up_tells_what_the_settings_provider_raises() -> None:
    def away() -> dict[str, object]:
        raise LookupError("the database is away")

    with pytest.raises(LookupError):
        register(host(), away, InMemoryCallRepository()).warm_up()
