"""Each fault of an operator's day is made for real, and the command's first finding is its cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, formatdate
from typing import Any

import pytest

from cxb_recordings import MongoCallRepository, MongoSettingsProvider
from cxb_recordings.sources.storage.checks import check_region
from cxb_recordings.sources.storage.probe import StoreReply
from cxb_recordings.sources.storage.settings import StorageSettings
from tests.commands import Healthy, bucket, doctor, healthy, judged, trace
from tests.servers.conversation import Received
from tests.servers.mongod import MongodFactory
from tests.servers.moto_s3 import Bucket, S3Gateway
from tests.servers.origin import Origin
from tests.servers.replies import reply, s3_error

__all__ = ["bucket", "healthy", "judged"]  # fixtures


def test_where_all_is_well_the_doctor_finds_no_failure(judged: Healthy) -> None:
    report = doctor(judged.settings())

    assert report.exit_code == 0
    assert {finding["check"] for finding in report.findings if finding["status"] == "ok"} == {
        "settings", "storage endpoint", "clock", "storage region", "storage bucket", "storage permission",
        "storage range", judged.host.url, "repository", "JWT",
    }  # fmt: skip
    assert [finding["seen"] for finding in report.findings if finding["status"] != "ok"] == [
        "plain http: the secret and the recordings can be read on the way"
    ]


@contextmanager
def store(reply: bytes, others: Mapping[str, bytes] | None = None) -> Iterator[dict[str, Any]]:
    """The ``minio`` settings of a store that gives one reply to all, but for the targets with a part of `others`."""

    def answer(received: Received) -> bytes:
        sent = next((other for part, other in (others or {}).items() if part in received.target), reply)
        return (
            sent
            if b"\r\nDate: " in sent
            else sent.replace(b"\r\n", b"\r\nDate: %b\r\n" % formatdate(usegmt=True).encode(), 1)
        )

    with Origin(answer=answer) as origin:
        yield origin.storage()["minio"]


# --- The rows of the table of symptoms


def test_an_empty_fleet_is_a_choice(healthy: Healthy) -> None:
    report = doctor(healthy.settings(cxbcore_fleet=[]))

    assert (report.exit_code, report.of("cxbcore_fleet")["status"]) == (0, "ok")
    assert {finding["status"] for finding in report.findings} == {"ok"}


def test_a_region_that_the_store_does_not_insist_on_is_a_warning() -> None:
    with store(s3_error(404, "NoSuchKey", headers={"x-amz-bucket-region": "fra1"})) as minio:
        report = doctor({"minio": minio | {"region": "nyc3"}, "cxbcore_fleet": []})

    assert report.of("storage region")["status"] == "warning"


def test_a_region_that_contradicts_a_spaces_endpoint_is_a_warning() -> None:
    storage = StorageSettings("https://nyc3.digitaloceanspaces.com", "us-east-1", "recordings", "key", "secret")

    [finding] = check_region(StoreReply(404, "NoSuchKey", None, None), storage)

    assert (finding.status, finding.seen) == ("warning", "us-east-1 is signed for, the endpoint implies nyc3")


# --- More that goes wrong


@pytest.mark.parametrize(
    ("field", "code"), [("access_key", "InvalidAccessKeyId"), ("secret_key", "SignatureDoesNotMatch")]
)
def test_wrong_storage_keys_are_told_apart(judged: Healthy, field: str, code: str) -> None:
    settings = judged.settings(minio=judged.bucket.settings(**{field: "not-the-right-one"}))

    report = doctor(settings)

    assert (report.exit_code, report.first["check"]) == (1, "storage credentials")
    assert report.first["seen"].startswith(f"status 403 {code}")
    assert report.first["remedy"] == f"correct minio.{field}"
    assert "not-the-right-one" not in report.output
    assert trace(settings).first["seen"] == report.first["seen"]


def test_an_absent_bucket_is_named(judged: Healthy) -> None:
    report = doctor(judged.settings(minio=judged.bucket.settings(bucket="absent-bucket")))

    assert (report.exit_code, report.first["check"]) == (1, "storage bucket")
    assert "there is no bucket absent-bucket" in report.first["seen"]


def test_an_empty_bucket_is_suspicious(judge_bucket: Bucket) -> None:
    report = doctor({"minio": judge_bucket.settings()})

    assert (report.exit_code, report.first["check"]) == (0, "storage content")


@pytest.mark.parametrize(("minutes", "status"), [(-20, "failure"), (20, "failure"), (5, "warning")])
def test_clock_skew_is_measured_against_the_store(minutes: int, status: str) -> None:
    date = format_datetime(datetime.now(timezone.utc) + timedelta(minutes=minutes), usegmt=True)
    code = "RequestTimeTooSkewed" if status == "failure" else "NoSuchKey"
    empty = {"list-type=2": reply(200, {}, b"<ListBucketResult/>")}
    with store(s3_error(403 if status == "failure" else 404, code, headers={"Date": date}), empty) as minio:
        report = doctor({"minio": minio})

    assert (report.first["check"], report.first["status"]) == ("clock", status)
    assert ("behind" if minutes > 0 else "ahead of") in report.first["seen"]
    assert "NTP" in report.first["remedy"]


def test_a_store_that_is_down_is_named(judged: Healthy, judge: S3Gateway) -> None:
    with judge.gateway.killed():
        reports = doctor(judged.settings()), trace(judged.settings())

    for report in reports:
        assert (report.exit_code, report.first["check"]) == (1, "storage endpoint")
        assert "Connection refused" in report.first["seen"]


def test_what_answers_200_to_everything_is_no_store() -> None:
    with store(reply(200, {}, b"welcome")) as minio:
        report = doctor({"minio": minio})

    assert (report.exit_code, report.first["check"]) == (1, "storage bucket")
    assert report.first["seen"] == "status 200 for a key that can't exist"


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(
    "document",
    [
        "<!DOCTYPE html><p>log in",
        "<html><body/></html>",
        "",
        *(f'<?xml version="1.0" encoding="{odd}"?><ListBucketResult/>' for odd in ("utf-7", "nonsense", "hex", "idna")),
        f'<!DOCTYPE a [<!ENTITY x "{"y" * 20_000}">]><ListBucketResult>{"&x;" * 10_000}</ListBucketResult>',
    ],
    ids=["HTML", "XHTML", "nothing", "utf-7", "nonsense", "hex", "idna", "entities"],
)
def test_what_answers_a_listing_with_another_document_is_no_store(status: int, document: str) -> None:
    with store(s3_error(status, "NoSuchKey"), {"list-type=2": reply(200, {}, document.encode())}) as minio:
        report = doctor({"minio": minio})

    assert (report.exit_code, report.first["check"]) == (1, "storage bucket")
    assert report.first["seen"] == "status 200 for a listing, with a document that is none (no ListBucketResult)"
    assert "minio.endpoint" in report.first["remedy"]
    for claim in ("is empty", "may list", "recordings is there"):
        assert claim not in report.output


def test_a_listing_without_a_recording_is_an_empty_bucket() -> None:
    listing = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></ListBucketResult>'
    with store(s3_error(404, "NoSuchKey"), {"list-type=2": reply(200, {}, listing)}) as minio:
        report = doctor({"minio": minio, "cxbcore_fleet": []})

    assert report.of("storage content")["seen"] == "recordings is empty: no range could be read"
    assert report.of("storage bucket")["status"] == "ok"


def test_a_key_is_not_told_that_it_may_not_read_where_the_recording_is_archived() -> None:
    listing = b"<ListBucketResult><Contents><Key>a.wav</Key><Size>4</Size></Contents></ListBucketResult>"
    read = s3_error(403, "InvalidObjectState")
    with store(s3_error(404, "NoSuchKey"), {"list-type=2": reply(200, {}, listing), "/a.wav": read}) as minio:
        report = doctor({"minio": minio})

    assert (report.exit_code, report.of("storage range")["status"]) == (0, "warning")


@pytest.mark.parametrize("settings", [None, [], {"minio": 1, "cxbcore_fleet": "x", "cxbcore_secret": 2}])
def test_broken_settings_are_findings_and_not_a_traceback(settings: object) -> None:
    for report in (doctor(settings), trace(settings)):
        assert (report.exit_code, report.first["status"]) == (1, "failure")


# --- MongoDB


def test_a_database_that_is_down_is_named(healthy: Healthy, own_mongod: MongodFactory) -> None:
    server = own_mongod()
    with server.client() as client:
        server.daemon.kill()
        calls = MongoCallRepository(client["tests"]["calls"], timeout=0.5)
        provider = MongoSettingsProvider(client["tests"]["settings"], {}, timeout=0.5)

        traced = trace(healthy.settings(), calls=calls)
        report = doctor(provider, calls=calls)

    assert [finding["check"] for finding in report.findings[:2]] == ["repository", "settings provider"]
    assert "RepositoryUnavailable: MongoDB" in report.first["seen"]
    assert traced.first["check"] == "repository"


def test_missing_indexes_are_named_until_they_are_there(healthy: Healthy, mongo_collection: Any) -> None:
    calls = MongoCallRepository(mongo_collection)
    calls.ensure_token("s-1")

    before = doctor(healthy.settings(), calls=calls)
    calls.ensure_indexes()
    after = doctor(healthy.settings(), calls=calls)

    assert before.of("repository indexes")["status"] == "warning"
    assert "recording_access_token, session_id" in before.of("repository indexes")["seen"]
    assert after.of("repository indexes")["status"] == "ok"


def test_what_a_store_says_moves_no_terminal() -> None:
    with store(s3_error(400, "Odd&#x9b;31m", headers={"x-amz-bucket-region": "fra1\x1b[31m"})) as minio:
        report = doctor({"minio": minio})

    assert report.first["seen"] == "status 400 for a key that can't exist"
