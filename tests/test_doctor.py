"""Each fault of an operator's day is made for real, and the command's first finding is its cause."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager

from cxb_recordings import CallRepository, InMemoryCallRepository, MongoCallRepository, MongoSettingsProvider, register
from tests.servers import free_port
from tests.servers.ceph import Ceph
from tests.servers.fleet_host import FleetHostFactory
from tests.servers.mongod import MongodFactory
from tests.servers.moto_s3 import Bucket

KEY = "2024/05/call one.wav"
AUDIO = bytes(range(256)) * 64
SECRET = "the-fleet-secret-of-this-test"
TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
CALL = {"session_id": "s-1", "recording_key": KEY, "recording_access_token": TOKEN}


@dataclass(frozen=True)
class Report:
    """What a command printed as JSON, and its exit status."""

    exit_code: int
    output: str
    findings: list[dict[str, Any]]

    @property
    def first(self) -> dict[str, Any]:
        return self.findings[0]

    def of(self, check: str) -> dict[str, Any]:
        return next(finding for finding in self.findings if finding["check"] == check)


Run = Callable[..., Report]


def run(settings: object, *arguments: str, calls: CallRepository | None = None, **options: Any) -> Report:
    """Run ``flask recordings …`` on an app of its own."""
    app = Flask("host")
    app.config["JWT_SECRET_KEY"] = "k" * 64
    JWTManager(app)
    provider: Any = settings if callable(settings) else lambda: settings
    patience = {"connect_timeout": 1.0, "read_timeout": 5.0}
    register(app, provider, calls or InMemoryCallRepository([CALL]), **(patience | options))
    result = app.test_cli_runner().invoke(args=["recordings", *arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    for hidden in (SECRET, TOKEN, "X-Amz-Signature", "k" * 64):
        assert hidden not in result.output
    return Report(result.exit_code, result.output, json.loads(result.stdout)["findings"])


def doctor(settings: object, **options: Any) -> Report:
    return run(settings, "doctor", **options)


def trace(settings: object, *arguments: str, **options: Any) -> Report:
    return run(settings, "trace", *(arguments or ("--session-id", "s-1")), **options)


@pytest.fixture
def bucket(ceph_bucket: Bucket) -> Bucket:
    ceph_bucket.put(KEY, AUDIO)
    return ceph_bucket


class Healthy:
    """Settings that work, and what they are made of."""

    def __init__(self, bucket: Bucket, fleet_host: FleetHostFactory) -> None:
        self.bucket = bucket
        self.host = fleet_host({KEY: AUDIO}, secret=SECRET)

    def settings(self, **changes: object) -> dict[str, object]:
        healthy = {
            "minio": self.bucket.settings(),
            "cxbcore_fleet": [self.host.url],
            "cxbcore_secret": SECRET,
        }
        return healthy | changes


@pytest.fixture
def healthy(bucket: Bucket, fleet_host: FleetHostFactory) -> Healthy:
    return Healthy(bucket, fleet_host)


class Store(ThreadingHTTPServer):
    """A store that gives one answer to everything, but for the targets that `others` knows by a part of them."""

    daemon_threads = True
    status: int
    headers: Mapping[str, str]
    body: str
    others: Mapping[str, tuple[int, str]]


class _Handler(BaseHTTPRequestHandler):
    server: Store

    def do_GET(self) -> None:
        others = [reply for part, reply in self.server.others.items() if part in self.path]
        status, body = (*others, (self.server.status, self.server.body))[0]
        self.send_response_only(status)
        if "Date" not in self.server.headers:
            self.send_header("Date", self.date_time_string())
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def store(
    status: int, body: str, others: Mapping[str, tuple[int, str]] | None = None, **headers: str
) -> Iterator[dict[str, str]]:
    """The ``minio`` settings of a store that answers so; underscores in header names stand for hyphens."""
    server = Store(("127.0.0.1", 0), _Handler)
    server.status, server.body, server.others = status, body, others or {}
    server.headers = {name.replace("_", "-"): value for name, value in headers.items()}
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield {
            "endpoint": f"http://127.0.0.1:{server.server_port}",
            "access_key": "key",
            "secret_key": "storage-secret",
            "bucket": "recordings",
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def error(code: str, extra: str = "") -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message>{extra}</Error>"


def test_where_all_is_well_the_doctor_finds_no_failure(healthy: Healthy) -> None:
    report = doctor(healthy.settings())

    assert report.exit_code == 0
    assert {finding["check"] for finding in report.findings if finding["status"] == "ok"} == {
        "settings", "storage endpoint", "clock", "storage region", "storage bucket", "storage permission",
        "storage range", healthy.host.url, "repository", "JWT",
    }  # fmt: skip
    assert [finding["seen"] for finding in report.findings if finding["status"] != "ok"] == [
        "plain http: the secret and the recordings can be read on the way"
    ]


# --- The rows of the table of symptoms


def test_public_link_404_the_token_matches_no_call(healthy: Healthy) -> None:
    report = trace(healthy.settings(), "--token", "another-token")

    assert (report.exit_code, report.first["status"], report.first["check"]) == (1, "failure", "call")
    assert "unknown, revoked or expired" in report.first["seen"]
    assert "another-token" not in report.output


def test_public_link_404_the_call_has_neither_key_nor_url(healthy: Healthy) -> None:
    calls = InMemoryCallRepository([{"session_id": "s-1", "recording_access_token": TOKEN}])

    report = trace(healthy.settings(), "--token", TOKEN, calls=calls)

    assert (report.exit_code, report.first["check"]) == (1, "key")
    assert "neither a recording_key nor a recording_url" in report.first["seen"]


@pytest.mark.parametrize("field", ["endpoint", "access_key", "secret_key", "bucket"])
def test_storage_skipped_the_settings_are_incomplete(healthy: Healthy, field: str) -> None:
    settings = healthy.settings(minio=healthy.bucket.settings(**{field: ""}))

    report, traced = doctor(settings), trace(settings)

    assert (report.exit_code, report.first["check"], report.first["seen"]) == (1, f"minio.{field}", "missing")
    assert "object storage is skipped" in report.first["remedy"]
    assert traced.first["check"] == "storage"
    assert f"minio.{field}" in traced.first["seen"]


def test_fleet_never_hit_the_list_is_empty(healthy: Healthy) -> None:
    report = doctor(healthy.settings(cxbcore_fleet=[]))

    assert (report.exit_code, report.first["status"], report.first["check"]) == (0, "warning", "cxbcore_fleet")
    assert "the fleet is never asked" in report.first["seen"]


def test_fleet_never_hit_the_secret_differs(healthy: Healthy) -> None:
    settings = healthy.settings(cxbcore_secret="not-that-one")

    for report in (doctor(settings), trace(settings)):
        assert report.exit_code == 1
        assert report.first["check"] == healthy.host.url
        assert report.first["seen"] == "status 403: the X-CXBCore-Secret is refused"
        assert "not-that-one" not in report.output


def test_fleet_never_hit_no_secret_is_configured(healthy: Healthy) -> None:
    report = doctor(healthy.settings(cxbcore_secret=None))

    assert report.first["seen"] == "status 403: it wants a secret, and none is configured"


def test_access_denied_at_a_crm_the_call_has_a_signed_url(healthy: Healthy) -> None:
    url = f"https://b.nyc3.digitaloceanspaces.com/{KEY}?X-Amz-Signature=abc&X-Amz-Expires=60"
    calls = InMemoryCallRepository([CALL | {"recording_url": url}])

    report = trace(healthy.settings(), calls=calls)

    assert (report.exit_code, report.first["status"], report.first["check"]) == (0, "warning", "stored recording_url")
    assert "must not go to a CRM: it is a signed storage URL" in report.first["seen"]
    assert "flask recordings link" in report.first["remedy"]


@pytest.mark.parametrize(
    ("status", "code", "extra", "headers"),
    [
        (400, "AuthorizationHeaderMalformed", "<Region>fra1</Region>", {}),
        (301, "PermanentRedirect", "", {"x_amz_bucket_region": "fra1"}),
    ],
)
def test_wrong_region_the_store_names_another(status: int, code: str, extra: str, headers: dict[str, str]) -> None:
    with store(status, error(code, extra), **headers) as minio:
        report = doctor({"minio": minio})

    assert (report.exit_code, report.first["check"]) == (1, "storage region")
    assert report.first["seen"] == "us-east-1 is signed for, the store names fra1"
    assert 'set minio.region to "fra1"' in report.first["remedy"]


def test_a_region_that_the_store_does_not_insist_on_is_a_warning() -> None:
    with store(404, error("NoSuchKey"), x_amz_bucket_region="fra1") as minio:
        report = doctor({"minio": minio | {"region": "nyc3"}, "cxbcore_fleet": []})

    assert report.of("storage region")["status"] == "warning"


# --- More that goes wrong


@pytest.mark.parametrize(
    ("field", "code"), [("access_key", "InvalidAccessKeyId"), ("secret_key", "SignatureDoesNotMatch")]
)
def test_wrong_storage_keys_are_told_apart(healthy: Healthy, field: str, code: str) -> None:
    settings = healthy.settings(minio=healthy.bucket.settings(**{field: "not-the-right-one"}))

    report = doctor(settings)

    assert (report.exit_code, report.first["check"]) == (1, "storage credentials")
    assert report.first["seen"].startswith(f"status 403 {code}")
    assert report.first["remedy"] == f"correct minio.{field}"
    assert "not-the-right-one" not in report.output
    assert trace(settings).first["seen"] == f"status 403 {code}"


def test_an_absent_bucket_is_named(healthy: Healthy) -> None:
    report = doctor(healthy.settings(minio=healthy.bucket.settings(bucket="absent-bucket")))

    assert (report.exit_code, report.first["check"]) == (1, "storage bucket")
    assert "there is no bucket absent-bucket" in report.first["seen"]


def test_an_empty_bucket_is_suspicious(ceph_bucket: Bucket) -> None:
    report = doctor({"minio": ceph_bucket.settings()})

    assert (report.exit_code, report.first["check"]) == (0, "storage range")


@pytest.mark.parametrize(("minutes", "status"), [(-20, "failure"), (20, "failure"), (5, "warning")])
def test_clock_skew_is_measured_against_the_store(minutes: int, status: str) -> None:
    date = format_datetime(datetime.now(timezone.utc) + timedelta(minutes=minutes), usegmt=True)
    code = "RequestTimeTooSkewed" if status == "failure" else "NoSuchKey"
    with store(403 if status == "failure" else 404, error(code), Date=date) as minio:
        report = doctor({"minio": minio})

    assert (report.first["check"], report.first["status"]) == ("clock", status)
    assert ("behind" if minutes > 0 else "ahead of") in report.first["seen"]
    assert "NTP" in report.first["remedy"]


def test_a_key_that_may_not_list_hides_absence() -> None:
    with store(403, error("AccessDenied")) as minio:
        report = doctor({"minio": minio})

    assert report.first["check"] == "storage permission"
    assert "s3:ListBucket" in report.first["remedy"]


def test_a_store_that_is_down_is_named(healthy: Healthy, ceph: Ceph) -> None:
    with ceph.gateway.killed():
        reports = doctor(healthy.settings()), trace(healthy.settings())

    for report, check in zip(reports, ("storage endpoint", "storage"), strict=True):
        assert (report.exit_code, report.first["check"]) == (1, check)
        assert "Connection refused" in report.first["seen"]


def test_a_name_that_does_not_resolve_and_tls_that_fails_are_told_apart(healthy: Healthy) -> None:
    unresolved = doctor(healthy.settings(minio=healthy.bucket.settings(endpoint="https://storage.invalid")))
    port = healthy.bucket.server.endpoint.rpartition(":")[2]
    plain = doctor(healthy.settings(minio=healthy.bucket.settings(endpoint=f"https://127.0.0.1:{port}")))

    assert "the name storage.invalid does not resolve" in unresolved.first["seen"]
    assert "TLS fails" in plain.first["seen"]


def test_what_answers_200_to_everything_is_no_store() -> None:
    with store(200, "welcome") as minio:
        report = doctor({"minio": minio})

    assert (report.exit_code, report.first["check"]) == (1, "storage bucket")
    assert report.first["seen"] == "status 200 for a key that can't exist"


@pytest.mark.parametrize(
    ("reply", "check"), [((200, "RIFF"), "storage range"), ((403, error("AccessDenied")), "storage credentials")]
)
def test_a_store_that_ignores_ranges_and_a_key_that_may_only_list_are_told(reply: tuple[int, str], check: str) -> None:
    listing = "<ListBucketResult><Contents><Key>a.wav</Key><Size>4</Size></Contents></ListBucketResult>"
    with store(404, error("NoSuchKey"), {"list-type=2": (200, listing), "/a.wav": reply}) as minio:
        report = doctor({"minio": minio})

    assert (report.exit_code, report.first["check"]) == (1, check)
    assert report.first["seen"].startswith(f"a ranged read gives status {reply[0]}")


@pytest.mark.parametrize(
    ("behaviour", "seen"), [("500", "status 500"), ("302", "status 302"), ("refuses", "no connection")]
)
def test_a_fleet_host_that_fails_is_named(
    healthy: Healthy, fleet_host: FleetHostFactory, behaviour: Any, seen: str
) -> None:
    host = fleet_host(behaviour=behaviour)

    for report in (doctor(settings := healthy.settings(cxbcore_fleet=[healthy.host.url, host.url])), trace(settings)):
        assert (report.exit_code, report.first["check"]) == (1, host.url)
        assert seen in report.first["seen"]


def test_a_plain_http_host_fails_where_https_is_required(healthy: Healthy) -> None:
    report = doctor(healthy.settings(), require_https_fleet=True)

    assert report.first["seen"] == "plain http, and require_https_fleet is set"


def test_without_settings_every_source_is_missing() -> None:
    report = doctor({})

    assert [finding["check"] for finding in report.findings if finding["status"] == "failure"] == [
        "storage",
        "cxbcore_fleet",
    ]


@pytest.mark.parametrize("settings", [None, [], {"minio": 1, "cxbcore_fleet": "x", "cxbcore_secret": 2}])
def test_broken_settings_are_findings_and_not_a_traceback(settings: object) -> None:
    for report in (doctor(settings), trace(settings)):
        assert (report.exit_code, report.first["status"]) == (1, "failure")


def test_a_settings_provider_that_raises_is_a_finding_without_its_text(healthy: Healthy) -> None:
    def provider() -> object:
        raise LookupError(SECRET)

    for report in (doctor(provider), trace(provider)):
        assert report.first["check"] == "settings"
        assert report.first["seen"] == "the provider raised LookupError"


# --- MongoDB


def test_a_database_that_is_down_is_named(healthy: Healthy, own_mongod: MongodFactory) -> None:
    server = own_mongod()
    with server.client() as client:
        server.daemon.kill()
        calls = MongoCallRepository(client["tests"]["calls"], timeout=0.5)
        provider = MongoSettingsProvider(client["tests"]["settings"], {}, timeout=0.5)

        traced = trace(healthy.settings(), calls=calls)
        report = doctor(provider, calls=calls)

    assert (report.first["check"], report.findings[1]["check"]) == ("settings", "repository")
    assert "RepositoryUnavailable: MongoDB" in report.first["seen"]
    assert traced.first["check"] == "call"


def test_missing_indexes_are_named_until_they_are_there(healthy: Healthy, mongo_collection: Any) -> None:
    calls = MongoCallRepository(mongo_collection)
    calls.ensure_token("s-1")

    before = doctor(healthy.settings(), calls=calls)
    calls.ensure_indexes()
    after = doctor(healthy.settings(), calls=calls)

    assert before.of("repository indexes")["status"] == "warning"
    assert "recording_access_token, session_id" in before.of("repository indexes")["seen"]
    assert after.of("repository indexes")["status"] == "ok"


# --- What trace tells of a recording that is there, or nowhere


def test_a_trace_tells_status_time_and_size_of_each_source_and_downloads_nothing(healthy: Healthy) -> None:
    report = trace(healthy.settings(), "--token", TOKEN)

    assert report.exit_code == 0
    for source in ("storage", healthy.host.url):
        finding = report.of(source)
        assert (finding["http_status"], finding["length"]) == (206, len(AUDIO))
        assert finding["seconds"] > 0
    assert report.of("recording")["seen"] == "it plays, from storage"
    assert [request.headers["Range"] for request in healthy.host.requests] == ["bytes=0-0"]


def test_a_recording_that_nobody_has_is_told_with_every_source_that_was_asked(healthy: Healthy) -> None:
    url = f"{healthy.bucket.server.endpoint}/{healthy.bucket.name}/2024/05/gone.wav"
    calls = InMemoryCallRepository([{"session_id": "s-1", "recording_url": url}])

    report = trace(healthy.settings(), calls=calls)

    assert (report.exit_code, report.first["check"], report.first["seen"]) == (1, "recording", "no source has it")
    assert "whole path names another key" in report.first["remedy"]
    assert report.of("storage")["http_status"] == report.of(healthy.host.url)["http_status"] == 404


def test_an_unknown_session_id_and_a_malformed_token_are_told() -> None:
    unknown, malformed = trace({}, "--session-id", "s-2"), trace({}, "--token", "a token/")

    assert unknown.first["seen"] == "no call has this session id"
    assert "malformed" in malformed.first["seen"]


def test_a_port_that_nothing_listens_on_is_a_finding() -> None:
    report = doctor({"cxbcore_fleet": [f"http://127.0.0.1:{free_port()}"]})

    assert "Connection refused" in report.first["seen"]
