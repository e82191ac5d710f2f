"""The real servers do what tests rely on: they judge, they can be paused and killed, and they come back."""

from __future__ import annotations

import dataclasses

import pymongo
import pytest
import requests
from botocore.exceptions import ClientError
from pymongo.errors import PyMongoError

from .ceph import Ceph
from .mongod import Mongod, MongodFactory
from .moto_s3 import Bucket, S3Gateway

KEY = "2024/05/call one+ü(1).mp3"


def test_every_s3_store_gives_back_what_was_stored(any_bucket: Bucket) -> None:
    any_bucket.put(KEY, b"0123456789")

    reply = any_bucket.client.get_object(Bucket=any_bucket.name, Key=KEY, Range="bytes=2-4")

    assert reply["Body"].read() == b"234"
    assert reply["ContentRange"] == "bytes 2-4/10"


def test_a_judge_refuses_a_wrong_secret(judge: S3Gateway) -> None:
    stranger = dataclasses.replace(judge, secret_key="wrong").client()

    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.list_buckets()


def test_a_judge_refuses_a_presigned_url_that_was_altered(judge_bucket: Bucket) -> None:
    judge_bucket.put(KEY, b"0123456789")
    url = judge_bucket.client.generate_presigned_url("get_object", Params={"Bucket": judge_bucket.name, "Key": KEY})

    assert requests.get(url, timeout=30).content == b"0123456789"
    assert requests.get(url.replace("Expires=3600", "Expires=3601"), timeout=30).status_code == 403


def test_what_a_judge_stores_outlives_its_gateway(judge: S3Gateway, judge_bucket: Bucket) -> None:
    judge_bucket.put(KEY, b"0123456789")

    with judge.gateway.killed(), pytest.raises(requests.ConnectionError):
        requests.get(judge.endpoint, timeout=30)

    assert judge_bucket.client.get_object(Bucket=judge_bucket.name, Key=KEY)["Body"].read() == b"0123456789"


def test_a_judge_loses_the_keys_that_it_is_said_to_lose(judge: S3Gateway, judge_bucket: Bucket) -> None:
    for key, reason in judge.lost_keys.items():
        with pytest.raises((ClientError, AssertionError)):
            judge_bucket.put(key, b"0123456789")
            stored = judge_bucket.client.get_object(Bucket=judge_bucket.name, Key=key)["Body"].read()
            assert stored == b"0123456789", reason


@pytest.mark.parametrize("part", ["gateway", "osd"])
def test_ceph_stalls_while_its_gateway_or_osd_is_paused(ceph: Ceph, ceph_bucket: Bucket, part: str) -> None:
    ceph_bucket.put(KEY, b"0123456789")
    url = ceph_bucket.client.generate_presigned_url("get_object", Params={"Bucket": ceph_bucket.name, "Key": KEY})

    with getattr(ceph, part).paused(), pytest.raises(requests.ReadTimeout):
        requests.get(url, timeout=0.5)

    assert requests.get(url, timeout=30).content == b"0123456789"


@pytest.mark.parametrize("replica_set", [False, True])
def test_what_a_mongod_stores_outlives_its_process(own_mongod: MongodFactory, replica_set: bool) -> None:
    server = own_mongod(replica_set=replica_set)
    with server.client() as client:
        client.tests.calls.with_options(write_concern=pymongo.WriteConcern(w=1, j=True)).insert_one({"_id": 1})

        server.daemon.kill()
        server.daemon.start()

        assert client.tests.calls.find_one() == {"_id": 1}


def test_a_mongod_in_a_replica_set_has_transactions(own_mongod: MongodFactory) -> None:
    with own_mongod(replica_set=True).client() as client, client.start_session() as session:
        with session.start_transaction():
            client.tests.calls.insert_one({"_id": 1}, session=session)

        assert client.tests.calls.find_one() == {"_id": 1}


def test_a_paused_mongod_answers_again_when_it_goes_on(own_mongod: MongodFactory) -> None:
    server = own_mongod()
    with server.client() as client:
        client.admin.command("ping")
        with server.daemon.paused(), pymongo.timeout(0.5), pytest.raises(PyMongoError):
            client.admin.command("ping")

        assert client.admin.command("ping") == {"ok": 1.0}


def test_the_shared_mongod_tells_its_version(mongod: Mongod) -> None:
    with mongod.client() as client:
        assert client.server_info()["versionArray"][0] >= 4
