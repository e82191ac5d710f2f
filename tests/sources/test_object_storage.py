"""Object storage: refusals, an environment full of AWS's variables, and connections that went stale."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from botocore.awsrequest import AWSRequest

from cxb_recordings import generate_signed_url
from cxb_recordings.errors import RangeNotSatisfiable, RecordingMissing, SourceUnavailable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.settings import read_settings
from cxb_recordings.sources import object_storage
from cxb_recordings.sources.object_storage import ObjectStorage
from cxb_recordings.sources.transport import Transport
from tests.fakes import FakeTime
from tests.servers import free_port
from tests.servers.moto_s3 import Bucket
from tests.servers.origin import ScriptedOrigin
from tests.servers.replies import reply

from . import read

KEY = "2024/05/call one+ü(1).mp3"
DATA = b"0123456789"


def storage(section: dict[str, Any], *, read_timeout: float = 30) -> ObjectStorage:
    settings = read_settings({"minio": section}).require_storage()
    return ObjectStorage(settings, Transport(5, read_timeout))


def scripted(server: ScriptedOrigin, **options: Any) -> ObjectStorage:
    return storage({"endpoint": server.url, "access": "KEY", "secret": "SECRET", "bucket": "recordings"}, **options)


@pytest.mark.parametrize("name", ["secret_key", "access_key"])
def test_wrong_credentials_are_a_failure_whether_the_key_is_there_or_not(name: str, judge_bucket: Bucket) -> None:
    judge_bucket.put(KEY, DATA)
    source = storage(judge_bucket.settings(**{name: "a-wrong-one"}))

    for key in (KEY, "absent.wav"):
        for attempt in (ObjectStorage.open, ObjectStorage.describe):
            with pytest.raises(SourceUnavailable, match="403") as failure:
                attempt(source, key)
            assert (failure.value.status, failure.value.responded) == (403, True)
            assert "a-wrong-one" not in failure.value.reason


def test_an_absent_bucket_is_a_failure_and_not_an_absence(any_bucket: Bucket) -> None:
    any_bucket.put(KEY, DATA)
    source = storage(any_bucket.settings(bucket="recordings-that-are-nowhere"))

    for attempt in (ObjectStorage.open, ObjectStorage.describe):
        with pytest.raises(SourceUnavailable, match="NoSuchBucket") as failure:
            attempt(source, KEY)
        assert (failure.value.status, failure.value.responded) == (404, True)


def test_an_object_that_was_stored_encoded_is_not_used(any_bucket: Bucket) -> None:
    any_bucket.client.put_object(Bucket=any_bucket.name, Key=KEY, Body=DATA, ContentEncoding="gzip")
    source = storage(any_bucket.settings())

    for attempt in (ObjectStorage.open, ObjectStorage.describe):
        with pytest.raises(SourceUnavailable, match="Content-Encoding"):
            attempt(source, KEY)


VARIABLES = {
    "AWS_ACCESS_KEY_ID": "stranger",
    "AWS_SECRET_ACCESS_KEY": "stranger",
    "AWS_SESSION_TOKEN": "stranger",
    "AWS_PROFILE": "hostile",
    "AWS_DEFAULT_PROFILE": "hostile",
    "AWS_REGION": "xx-nowhere-1",
    "AWS_DEFAULT_REGION": "xx-nowhere-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_MAX_ATTEMPTS": "7",
    "AWS_RETRY_MODE": "adaptive",
    "AWS_DEFAULTS_MODE": "auto",
    "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "legacy",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_supported",
    "AWS_SIGV4A_SIGNING_REGION_SET": "*",
    "AWS_AUTH_SCHEME_PREFERENCE": "sigv4a",
    "AWS_EC2_METADATA_DISABLED": "false",
    "AWS_SDK_UA_APP_ID": "stranger",
}
CONFIGURATION = """\
[default]
region = xx-nowhere-1
endpoint_url = http://127.0.0.1:1
max_attempts = 7
s3 =
  addressing_style = virtual
  use_accelerate_endpoint = true
  payload_signing_enabled = true
  signature_version = s3
[profile hostile]
region = xx-nowhere-1
endpoint_url = http://127.0.0.1:1
ca_bundle = /absent.pem
"""


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which boto3 by itself would ask another server, with other credentials."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "absent.pem"))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIGURATION)
    (tmp_path / ".aws" / "credentials").write_text("[hostile]\naws_access_key_id = x\naws_secret_access_key = x\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / ".aws" / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / ".aws" / "credentials"))
    assert urllib.request.getproxies()["http"]


@pytest.mark.usefixtures("hostile")
def test_nothing_in_the_environment_changes_what_is_asked_or_signed(ceph_bucket: Bucket) -> None:
    ceph_bucket.put(KEY, DATA)
    section = ceph_bucket.settings()
    source = storage(section)

    assert read(source.open(KEY)) == DATA
    assert read(source.open(KEY, RangeRequest(2, 3))) == b"23"
    assert source.describe(KEY).length == 10
    with pytest.raises(RecordingMissing):
        source.open("absent.wav")
    url = generate_signed_url({"minio": section}, KEY)
    assert url.startswith(f"{section['endpoint']}/{section['bucket']}/")
    credential = parse_qs(urlsplit(url).query)["X-Amz-Credential"][0].split("/")
    assert (credential[0], credential[2]) == (section["access_key"], "us-east-1")
    assert urllib3.request("GET", url, timeout=30, retries=False).data == DATA


@pytest.mark.usefixtures("hostile")
def test_nothing_in_the_environment_adds_to_a_request() -> None:
    with ScriptedOrigin([reply(200, {}, DATA)]) as server:
        assert read(scripted(server).open("k")) == DATA
    [head] = server.heads

    assert head.startswith("GET /recordings/k HTTP/1.1\r\n")
    assert "Credential=KEY/" in head
    assert "/us-east-1/s3/aws4_request" in head
    for word in ("stranger", "nowhere", "checksum", "security-token", "sigv4a"):
        assert word not in head.lower()


def test_a_signature_serves_every_range_of_a_recording_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now, signed = FakeTime(), []
    monkeypatch.setattr(object_storage, "time", SimpleNamespace(time=now.clock, monotonic=now.clock))
    with ScriptedOrigin([reply(200, {}, DATA)] * 4) as server:
        source = scripted(server)
        sign = source._signer.add_auth

        def count(request: AWSRequest) -> None:
            signed.append(urlsplit(request.url).path)
            sign(request)

        monkeypatch.setattr(source._signer, "add_auth", count)
        assert read(source.open("k")) == DATA
        assert read(source.open("k", RangeRequest(0, None))) == DATA
        assert read(source.open("other")) == DATA
        now.sleep(object_storage.SIGNED_SECONDS)
        assert read(source.open("k")) == DATA

        assert signed == ["/recordings/k", "/recordings/other", "/recordings/k"]
        first, second = ([line for line in head.splitlines() if "X-Amz" in line] for head in server.heads[:2])
        assert first == second
        assert "Range: bytes=0-" in server.heads[1]
        assert "Range:" not in server.heads[2]


def test_a_kept_alive_connection_that_storage_has_closed_is_replaced_once() -> None:
    with ScriptedOrigin([reply(200, {}, DATA)]) as server:
        source = scripted(server)
        assert [read(source.open("k")) for _ in range(2)] == [DATA, DATA]

        assert (server.accepted, len(server.heads)) == (2, 3)


def test_storage_that_drops_every_connection_is_tried_twice_and_did_not_respond() -> None:
    with ScriptedOrigin([]) as server:
        with pytest.raises(SourceUnavailable) as failure:
            scripted(server).open("k")

        assert not failure.value.responded
        assert server.accepted == 2


XML = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>of storage</Message><BucketName>b</BucketName></Error>"
REFUSALS = {
    400: reply(400, {}, XML % b"InvalidRequest"),
    403: reply(403, {}, b"<html>not XML"),
    429: reply(429, {}, b"slow down"),
    500: reply(500, {}, b"\xff\x00"),
    503: reply(503, {}, XML % b"SlowDown"),
}


@pytest.mark.parametrize(("status", "answer"), REFUSALS.items(), ids=map(str, REFUSALS))
def test_a_refusal_is_asked_once_and_its_text_is_not_told(status: int, answer: bytes) -> None:
    with ScriptedOrigin([answer]) as server:
        with pytest.raises(SourceUnavailable) as failure:
            scripted(server).open("k")

        assert (failure.value.status, failure.value.responded) == (status, True)
        assert "of storage" not in str(failure.value)
        assert len(server.heads) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with ScriptedOrigin([reply(200, {}, DATA)]) as elsewhere:
        answer = reply(status, {"Location": f"{elsewhere.url}/recordings/k"})
        with ScriptedOrigin([answer] * 3) as server:
            with pytest.raises(SourceUnavailable) as failure:
                scripted(server).open("k")

            assert (failure.value.status, failure.value.responded) == (status, True)
            assert len(server.heads) == 1
        assert elsewhere.accepted == 0


JUNK = {
    "no HTTP": b"220 ready\r\n\r\n",
    "no status": b"HTTP/1.1 \r\n\r\n",
    "a status that is none": b"HTTP/1.1 20x OK\r\n\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
    "an error without an end": reply(500, {}, b"<Error><Code>"),
    "an error inside another": reply(400, {}, b"<Error><Error><Code>x</Code></Error><Code/></Error>"),
    "an error that is cut short": reply(500, {"Content-Length": "100"}, b"<Error>"),
    "an error whose code is a tree": reply(403, {}, XML % b"<x>1</x>"),
    "an error with two codes": reply(403, {}, XML % b"A</Code><Code>B"),
    "an error in a code": reply(400, {}, b"<Code><Error></Error><Region/></Code>"),
    "an error as deep as the sea": reply(500, {}, b"<Error>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</Error>"),
}


@pytest.mark.parametrize("answer", JUNK.values(), ids=JUNK)
def test_junk_is_a_failure_and_nothing_else(answer: bytes) -> None:
    with ScriptedOrigin([answer], closes=True) as server:
        for attempt in (ObjectStorage.open, ObjectStorage.describe):
            with pytest.raises(SourceUnavailable):
                attempt(scripted(server), "k")


@pytest.mark.parametrize("code", [b"A\nInjected: 1", b"x" * 5000, b"secret key/of a call.wav", "ü".encode()])
def test_what_is_no_code_of_s3_is_not_told(code: bytes) -> None:
    with ScriptedOrigin([reply(403, {}, XML % code)]) as server, pytest.raises(SourceUnavailable) as failure:
        scripted(server).open("k")

    assert failure.value.reason == "status 403"


@pytest.mark.parametrize("body", [b"", b"<html>not XML", XML % b"NoSuchKey"])
def test_a_404_is_an_absence_unless_it_says_otherwise(body: bytes) -> None:
    with ScriptedOrigin([reply(404, {}, body)]) as server, pytest.raises(RecordingMissing):
        scripted(server).open("k")


def test_a_416_tells_the_length_where_storage_puts_it_into_the_header() -> None:
    with (
        ScriptedOrigin([reply(416, {"Content-Range": "bytes */10"})]) as server,
        pytest.raises(RangeNotSatisfiable) as outside,
    ):
        scripted(server).open("k", RangeRequest(10, None))

    assert outside.value.length == 10


@pytest.mark.parametrize("closes", [True, False])
def test_a_body_that_ends_early_or_stalls_breaks_after_what_came(closes: bool) -> None:
    with ScriptedOrigin([reply(200, {"Content-Length": "11"}, DATA)], closes=closes) as server:
        opened = scripted(server, read_timeout=0.2 if not closes else 30).open("k")
        assert opened.info.length == 11
        assert opened.body.read(4096) == DATA
        with pytest.raises(SourceUnavailable, match="the transfer broke") as failure:
            opened.body.read(4096)
        opened.body.close()

    assert failure.value.responded


def test_headers_that_say_nothing_do_no_harm() -> None:
    with ScriptedOrigin(
        [reply(200, {"Last-Modified": "yesterday", "x-amz-missing-meta": "many", "ETag": "x"}, DATA)]
    ) as server:
        opened = scripted(server).open("k")
        assert (opened.info.last_modified, opened.info.etag) == (None, None)
        assert read(opened) == DATA


def test_an_upload_coding_that_a_store_kept_as_metadata_does_no_harm() -> None:
    with ScriptedOrigin([reply(200, {"Content-Encoding": "aws-chunked"}, DATA)]) as server:
        assert read(scripted(server).open("k")) == DATA
