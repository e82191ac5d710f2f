"""``flask recordings doctor`` and ``trace`` on an app of their own, and a deployment in which all is well."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager

from cxb_recordings import CallRepository, InMemoryCallRepository, register
from tests.servers.moto_s3 import Bucket
from tests.servers.origin import OriginFactory

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


def run(settings: object, *arguments: str, calls: CallRepository | None = None, **options: Any) -> Report:
    """Run ``flask recordings …`` on an app of its own."""
    app = Flask("host")
    app.config["JWT_SECRET_KEY"] = "k" * 64
    JWTManager(app)
    provider: Any = settings if callable(settings) else lambda: settings
    register(app, provider, calls or InMemoryCallRepository([CALL]), **options)
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

    def __init__(self, bucket: Bucket, make_origin: OriginFactory) -> None:
        self.bucket = bucket
        self.host = make_origin({KEY: AUDIO}, secret=SECRET)

    def settings(self, **changes: object) -> dict[str, object]:
        healthy = {
            "minio": self.bucket.settings(),
            "cxbcore_fleet": [self.host.url],
            "cxbcore_secret": SECRET,
        }
        return healthy | changes


@pytest.fixture
def judged(judge_bucket: Bucket, make_origin: OriginFactory) -> Healthy:
    """Settings that work, with each S3 store that checks signatures in turn."""
    judge_bucket.put(KEY, AUDIO)
    return Healthy(judge_bucket, make_origin)


@pytest.fixture
def healthy(bucket: Bucket, make_origin: OriginFactory) -> Healthy:
    return Healthy(bucket, make_origin)
