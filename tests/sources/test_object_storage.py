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
from cxb_recordings.errors import RecordingMissing, SourceUnavailable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.settings import read_settings
from cxb_recordings.sources.storage import client
from cxb_recordings.sources.storage.client import ObjectStorage
from cxb_recordings.sources.transport import Transport
from tests.fakes import FakeTime
from tests.servers import free_port
from tests.servers.moto_s3 import Bucket
from tests.servers.origin import ScriptedOrigin
from tests.servers.replies import reply

from . import read

KEY = "2024/05/call one+ü(1).mp3"
DATA = b"0123456789"


def storage(section: dict[str, Any]) -> ObjectStorage:
    settings = read_settings({"minio": section}).require_storage()
    return ObjectStorage(settings, Transport(5, 30))


def scripted(server: ScriptedOrigin) -> ObjectStorage:
    return storage({"endpoint": server.url, "access": "KEY", "secret": "SECRET", "bucket": "recordings"})


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
    source = storage(any_bucket.settings(bucket="recordings-that-are-absent"))

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
    "AWS_REGION": "xx-unknown-1",
    "AWS_DEFAULT_REGION": "xx-unknown-1",
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
region = xx-unknown-1
endpoint_url = http://127.0.0.1:1
max_attempts = 7
s3 =
  addressing_style = virtual
  use_accelerate_endpoint = true
  payload_signing_enabled = true
  signature_version = s3
[profile hostile]
region = xx-unknown-1
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
    for word in ("stranger", "xx-unknown", "checksum", "security-token", "sigv4a"):
        assert word not in head.lower()


def test_a_signature_serves_every_range_of_a_recording_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now, signed = FakeTime(), []
    monkeypatch.setattr(client, "time", SimpleNamespace(time=now.clock, monotonic=now.clock))
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
        now.sleep(client.SIGNED_SECONDS)
        assert read(source.open("k")) == DATA

        assert signed == ["/recordings/k", "/recordings/other", "/recordings/k"]
        first, second = ([line for line in head.splitlines() if "X-Amz" in line] for head in server.heads[:2])
        assert first == second
        assert "Range: bytes=0-" in server.heads[1]
        assert "Range:" not in server.heads[2]


XML = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>of storage</Message><BucketName>b</BucketName></Error>"


@pytest.mark.parametrize("code", [b"A\nInjected: 1", b"x" * 5000, b"secret key/of a call.wav", "ü".encode()])
def test_what_is_no_code_of_s3_is_not_told(code: bytes) -> None:
    with ScriptedOrigin([reply(403, {}, XML % code)]) as server, pytest.raises(SourceUnavailable) as failure:
        scripted(server).open("k")

    assert failure.value.reason == "status 403"


@pytest.mark.parametrize("body", [b"", b"<html>not XML", XML % b"NoSuchKey"])
def test_a_404_is_an_absence_unless_it_says_otherwise(body: bytes) -> None:
    with ScriptedOrigin([reply(404, {}, body)]) as server, pytest.raises(RecordingMissing):
        scripted(server).open("k")
