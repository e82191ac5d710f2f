"""Both routes, every state of object storage, every state of the fleet: which bytes, which status, which log."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from werkzeug.test import TestResponse

from tests.servers.conversation import Kind
from tests.servers.moto_s3 import Bucket
from tests.servers.origin import Origin, OriginFactory
from tests.servers.replies import s3_error

from .site import KEY, Route, Site

IN_STORAGE = bytes(range(256)) * 100
ON_FLEET = IN_STORAGE[::-1]
SECRET = "fleet-secret-12345"
WANTED = "bytes=1000-20000"
PART = slice(1000, 20001)

# Why storage is skipped; None: it has the recording, "": it is not asked.
STORAGE: dict[str, str | None] = {
    "has it": None,
    "NoSuchKey": "storage has no such key",
    "refuses": "status 403 AccessDenied",
    "down": "NewConnectionError: Connection refused",
    "not configured": "",
}
ABSENT = "the fleet host has no such recording"


@dataclass(frozen=True, slots=True)
class Fleet:
    """A state of the fleet.

    Attributes:
        hosts: how each of them behaves, in order.
        reasons: why hosts are skipped, in order.
        has_it: whether one of them delivers.
    """

    hosts: tuple[Kind | None, ...]
    reasons: tuple[str, ...] = ()
    has_it: bool = False


FLEET = {
    "has it on the first host": Fleet((None, None), has_it=True),
    "has it on the last host": Fleet(("404", "500", None), (ABSENT, "status 500"), has_it=True),
    "answers 404": Fleet(("404",), (ABSENT,)),
    "answers 500": Fleet(("500",), ("status 500",) * 3),  # it is asked again, twice
    "answers 302": Fleet(("302",), ("status 302",)),
    "refuses": Fleet(("refuses",), ("ConnectionError: Connection refused",)),
    "wrong secret": Fleet((None,), ("status 403",)),
    "gives no Content-Length": Fleet(("no length",), has_it=True),
    "ignores Range": Fleet(("ignores Range",), has_it=True),
}


@pytest.fixture(scope="module")
def bucket(moto_s3: object) -> Bucket:
    """A bucket that has the recording under KEY, and under no other key."""
    bucket: Bucket = moto_s3.new_bucket()  # type: ignore[attr-defined]
    bucket.put(KEY, IN_STORAGE)
    return bucket


@pytest.fixture
def storage(bucket: Bucket, make_origin: OriginFactory) -> Callable[[str], dict[str, object]]:
    """Makes the system settings' storage section for a state."""

    def settings(state: str) -> dict[str, object]:
        if state == "not configured":
            return {}
        if state == "refuses":
            return make_origin(answer=lambda _: s3_error(403, "AccessDenied")).storage()
        if state == "down":
            # A port that stays taken: one that is only free may be another server's by the time it is asked.
            return {"minio": bucket.settings(endpoint=make_origin(fault="refuses").url)}
        return {"minio": bucket.settings()}

    return settings


@pytest.mark.parametrize("on_fleet", FLEET)
@pytest.mark.parametrize("in_storage", STORAGE)
def test_storage_then_the_fleet_hosts_in_order_then_404(
    route: Route,
    in_storage: str,
    on_fleet: str,
    storage: Callable[[str], dict[str, object]],
    make_origin: OriginFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fleet, key = FLEET[on_fleet], KEY if in_storage == "has it" else "2024/05/fleet only.wav"
    hosts = [make_origin({key: ON_FLEET}, secret=SECRET, fault=fault) for fault in fleet.hosts]
    entries = [entry for host in hosts for entry in host.fleet()["cxbcore_fleet"]]
    if on_fleet == "wrong secret":
        entries[0]["secret"] = "another secret"
    site = Site({**storage(in_storage), "cxbcore_fleet": entries, "cxbcore_secret": "unused"})

    with caplog.at_level(logging.INFO, "cxb_recordings.signals"):
        whole = site.ask(key=key, route=route)

    skipped_storage = STORAGE[in_storage]
    expected = IN_STORAGE if skipped_storage is None else ON_FLEET if fleet.has_it else None
    assert_whole(whole, expected, length=skipped_storage is None or on_fleet != "gives no Content-Length")
    reasons = () if skipped_storage is None else (*filter(None, [skipped_storage]), *fleet.reasons)
    assert [vars(record)["reason"] for record in caplog.records if hasattr(record, "failed")] == [*reasons]
    assert_no_secret_in(caplog.text)
    ranged, head = site.ask(headers={"Range": WANTED}, key=key, route=route), site.ask("HEAD", key=key, route=route)
    if expected is None:
        assert (ranged.status_code, head.status_code) == (404, 404)
    elif whole.content_length is None:  # without a length no range can be answered
        assert_whole(ranged, expected, length=False)
        assert head.status_code == 200
    else:
        assert (ranged.status_code, ranged.data) == (206, expected[PART])
        assert ranged.headers["Content-Range"] == f"bytes 1000-20000/{len(expected)}"
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(expected)))
    assert_asked(hosts, fleet, storage_has_it=skipped_storage is None)


def assert_whole(reply: TestResponse, expected: bytes | None, *, length: bool) -> None:
    if expected is None:
        assert (reply.status_code, reply.content_type) == (404, "application/problem+json")
        return
    assert reply.status_code == 200
    assert hashlib.sha256(reply.data).hexdigest() == hashlib.sha256(expected).hexdigest()
    assert reply.headers.get("Content-Length") == (str(len(expected)) if length else None)


def assert_asked(hosts: list[Origin], fleet: Fleet, *, storage_has_it: bool) -> None:
    """The hosts were asked in their order, up to the first that had it."""
    if storage_has_it:
        assert [host.requests for host in hosts] == [[] for _ in hosts]
    elif fleet.has_it and fleet.hosts[0] is None and len(hosts) > 1:
        assert hosts[0].requests
        assert hosts[1].requests == []
    else:
        assert all(host.requests or host.fault == "refuses" for host in hosts)


def assert_no_secret_in(log: str) -> None:
    for secret in (SECRET, "another secret", "test-secret-key", "origin-secret-key", "X-Amz", "secret detail"):
        assert secret not in log
