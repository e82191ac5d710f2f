"""What a client is told when it gets no recording: the table of errors, on every kind of source."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from werkzeug.exceptions import TooManyRequests, abort
from werkzeug.test import TestResponse

from cxb_recordings import InMemoryCallRepository, register
from tests.servers import free_port
from tests.servers.origin import OriginFactory
from tests.servers.replies import archived, s3_error

from .site import KEY, PREFIXES, Route, Site, Upstream, host_app

DATA = b"0123456789"
GUARDS = ["Content-Security-Policy", "Cross-Origin-Resource-Policy", "Referrer-Policy", "X-Content-Type-Options"]


def assert_problem(reply: TestResponse, status: int, route: Route) -> None:
    """It is a short problem, never stored, whose headers guard as those of a recording do."""
    assert reply.status_code == status
    assert reply.content_type == "application/problem+json"
    assert reply.headers["Cache-Control"] == "no-store"
    for name in GUARDS:
        assert name in reply.headers
    assert ("X-Robots-Tag" in reply.headers) == (route == "public")
    document = reply.json
    assert document is not None
    assert document["status"] == status
    assert set(document) - {"step", "reason"} == {"title", "status", "detail"}
    assert route == "admin" or not {"step", "reason"} & set(document)


@pytest.mark.parametrize("query", ["", "download=1"])
def test_a_recording_that_no_source_has_is_404(upstream: Upstream, route: Route, query: str) -> None:
    assert_problem(upstream.ask(key="absent.wav", route=route, query=query), 404, route)


def test_head_of_an_error_has_the_headers_of_get_and_no_body(upstream: Upstream, route: Route) -> None:
    upstream.store(DATA)

    for headers, key, status in (({}, "absent.wav", 404), ({"If-Match": '"x"'}, KEY, 412)):
        whole = upstream.ask("GET", headers, key=key, route=route)
        reply = upstream.ask("HEAD", headers, key=key, route=route)
        assert (reply.status_code, reply.data) == (status, b"")
        assert dict(reply.headers) == dict(whole.headers)


@pytest.mark.parametrize("headers", [{"If-Match": '"x"'}, {"Range": "bytes=99-"}])
def test_412_and_416_are_problems_too(upstream: Upstream, route: Route, headers: dict[str, str]) -> None:
    upstream.store(DATA)

    assert_problem(upstream.ask(headers=headers, route=route), 412 if "If-Match" in headers else 416, route)


def test_the_public_404s_are_byte_identical_whatever_the_cause(make_origin: OriginFactory) -> None:
    host = make_origin({"present.wav": DATA})
    forbidden = make_origin(answer=lambda _: s3_error(403, "AccessDenied"))
    site = Site({"cxbcore_fleet": [host.url]})
    broken = Site({**forbidden.storage(), "cxbcore_fleet": [f"http://127.0.0.1:{free_port()}"]})
    for keyless in ({"session_id": "no-key"}, {"session_id": "odd-key", "recording_key": "../x"}):
        site.calls.add(keyless)
    revoked = site.path("revoked.wav").rpartition("/")[2]
    site.calls.revoke("s-0")
    tokens = {
        "malformed": "!",
        "too long": "a" * 257,
        "unknown": "unknown",
        "revoked": revoked,
        "no key": site.calls.ensure_token("no-key"),
        "key that can't be asked": site.calls.ensure_token("odd-key"),
    }
    for method in ("GET", "HEAD"):
        replies = {
            cause: site.client.open(f"{PREFIXES['public']}/{token}", method=method) for cause, token in tokens.items()
        }
        replies["no source has it"] = site.ask(method, key="absent.wav")
        replies["no source answers"] = broken.ask(method)
        replies["only an archive has it"] = Site(make_origin(answer=archived).storage()).ask(method)
        replies["no source is configured"] = Site({}).ask(method)
        assert {reply.status_code for reply in replies.values()} == {404}
        assert len({(reply.data, str(reply.headers)) for reply in replies.values()}) == 1, replies


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_outage_is_503_with_retry_after_where_the_host_says_so(
    route: Route, method: str, make_origin: OriginFactory
) -> None:
    absent, forbidden = make_origin(), make_origin(answer=lambda _: s3_error(403, "AccessDenied"))
    outage = {**forbidden.storage(), "cxbcore_fleet": [absent.url]}

    reply = Site(outage, outage_status=503).ask(method, route=route)
    assert (reply.status_code, reply.content_type) == (503, "application/problem+json")
    assert int(reply.headers["Retry-After"]) > 0
    assert Site(outage).ask(method, route=route).status_code == 404
    absence = Site({"cxbcore_fleet": [absent.url]}, outage_status=503)
    assert absence.ask(method, route=route).status_code == 404
    assert absence.ask(method, key="../x", route=route).status_code == 404


def test_more_streams_than_max_streams_are_503_with_retry_after(route: Route, make_origin: OriginFactory) -> None:
    site = Site({"cxbcore_fleet": [make_origin({KEY: DATA}).url]}, max_streams=1)

    with site.client.get(site.path(route=route), headers=site.admin) as playing:
        refused = site.ask(route=route)
        assert_problem(refused, 503, route)
        assert int(refused.headers["Retry-After"]) > 0
        assert site.ask("HEAD", route=route).status_code == 200, "it has no body, and takes no place"
        assert playing.status_code == 200
    assert site.ask(route=route).data == DATA


def test_an_administrator_is_told_which_step_failed(make_origin: OriginFactory) -> None:
    site = Site({"cxbcore_fleet": [make_origin().url]})
    site.calls.add({"session_id": "no-key"})

    def step(session_id: str) -> object:
        reply = site.client.get(f"{PREFIXES['admin']}/{session_id}", headers=site.admin)
        assert_problem(reply, 404, "admin")
        return (reply.json or {})["step"]

    assert step("unknown") == "call"
    assert step("no-key") == "key"
    reply = site.ask(route="admin")
    assert (reply.json or {})["step"] == "sources"


def test_the_reason_that_an_administrator_is_told_is_the_availability_of_the_recording(
    make_origin: OriginFactory,
) -> None:
    absent = make_origin().fleet()
    store, broken = make_origin(answer=archived).storage(), make_origin(fault="403").storage()
    for settings in (absent, {}, {**store, **absent}, {**broken, **absent}):
        site = Site(settings)
        for method in ("GET", "HEAD"):
            reply, found = site.ask(method, route="admin"), site.service.availability(KEY)
            assert ("Retry-After" in reply.headers) == (found.status == "unreachable")
            assert method == "HEAD" or (reply.json or {})["reason"] == found.status


def test_no_problem_tells_a_key_a_host_or_a_message_of_a_source(make_origin: OriginFactory, route: Route) -> None:
    storage = make_origin(answer=lambda _: s3_error(403, "AccessDenied"))
    host = make_origin(answer=lambda _: s3_error(500, "Broken"))
    site = Site({**storage.storage(), **host.fleet(), "cxbcore_secret": "fleet-secret-12345"})

    reply = site.ask(key="folder/private-name.wav", route=route)

    assert reply.status_code == 404
    told = reply.data.decode() + str(reply.headers)
    for secret in ("private-name", "127.0.0.1", "AccessDenied", "secret", "Broken", "recordings", "403", "500"):
        assert secret not in told.replace("There is no such recording", "")


class Failing(InMemoryCallRepository):
    """A repository whose database is away, or which is wrong in another way."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def find_by_session_id(self, session_id: str) -> None:
        raise self.error

    def find_by_access_token(self, token: str) -> None:
        raise self.error


def ask_failing(
    route: Route, method: str = "GET", *, repository: Exception | None = None, settings: Exception | None = None
) -> TestResponse:
    """Ask a site whose repository or settings provider raises."""

    def provider() -> dict[str, object]:
        if settings is not None:
            raise settings
        return {}

    site = Site(provider)
    path = site.path(route=route)
    if repository is not None:
        app = host_app()
        register(app, provider, Failing(repository), require_admin=lambda view: view)
        return app.test_client().open(path, method=method)
    return site.client.open(path, method=method, headers=site.admin)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("part", "name"), [("repository", "call repository"), ("settings", "settings")])
def test_a_repository_or_a_settings_provider_that_raises_is_503_with_retry_after_and_a_traceback_in_the_log(
    route: Route, method: str, part: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    errors: dict[str, Any] = {part: ValueError("the database is away")}

    reply = ask_failing(route, method, **errors)

    assert reply.status_code == 503
    assert int(reply.headers["Retry-After"]) > 0
    if method == "GET":
        assert_problem(reply, 503, route)
        assert b"database" not in reply.data
        assert route == "public" or (reply.json or {})["step"] == name
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info
    assert str(record.exc_info[1]) == "the database is away"
    assert name in record.getMessage()


@pytest.mark.parametrize("part", ["repository", "settings"])
def test_an_http_exception_of_the_hosts_parts_passes_through(route: Route, part: str) -> None:
    errors: dict[str, Any] = {part: TooManyRequests(retry_after=7)}

    reply = ask_failing(route, **errors)

    assert (reply.status_code, reply.headers["Retry-After"], reply.mimetype) == (429, "7", "text/html")


@pytest.mark.parametrize("call", [[], "call", 3, object()])
def test_a_repository_that_returns_no_mapping_is_503(route: Route, call: object) -> None:
    class Odd(InMemoryCallRepository):
        def find_by_session_id(self, session_id: str) -> Any:
            return call

        def find_by_access_token(self, token: str) -> Any:
            return call

    app = host_app()
    register(app, dict, Odd(), require_admin=lambda view: view)

    assert app.test_client().get(f"{PREFIXES[route]}/x").status_code == 503


@pytest.mark.parametrize("document", [None, [], "settings", 3, {"minio": 3}, {"cxbcore_fleet": "x"}])
def test_settings_that_are_no_settings_are_404_and_no_error(route: Route, document: object) -> None:
    assert Site(lambda: document).ask(route=route).status_code == 404


def test_an_identity_that_raises_is_503_and_named(caplog: pytest.LogCaptureFixture) -> None:
    def identity() -> object:
        raise LookupError("no such user")

    reply = Site({}, identity=identity).ask(route="admin")

    assert_problem(reply, 503, "admin")
    assert (reply.json or {})["step"] == "identity"
    assert "identity" in caplog.text


def test_the_hosts_own_limiter_answers_before_the_route(upstream: Upstream, route: Route) -> None:
    app = host_app()
    app.before_request(lambda: abort(429))
    register(app, upstream.provider, upstream.calls)

    assert app.test_client().get(upstream.path(route=route)).status_code == 429
    assert upstream.requests == []
