"""Probes run side by side, and one that hangs or raises holds up no other; keys are tried under other spellings."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from cxb_recordings.findings import Check, Finding
from cxb_recordings.operations.probes import STEP_SECONDS, Probe, impatient, side_by_side
from cxb_recordings.operations.spellings import spellings
from cxb_recordings.options import Options
from tests.commands import doctor
from tests.servers.origin import OriginFactory

FOUND = Finding("ok", Check.SOURCE, "answers")


def test_a_probe_that_hangs_and_one_that_raises_are_findings_and_the_others_are_kept_in_order() -> None:
    released = threading.Event()

    def hangs() -> Iterator[Finding]:
        released.wait(30)
        yield FOUND

    def raises() -> list[Finding]:
        raise LookupError("a secret")

    probes = [Probe(Check.SOURCE, name, ask) for name, ask in (("a", hangs), ("b", raises), ("c", lambda: [FOUND]))]
    [[late], [broken], [fine]] = side_by_side(probes, seconds=0.3)
    released.set()

    assert (late.status, late.subject, late.seen) == ("failure", "a", "no whole answer within 0.3 s")
    assert (broken.subject, broken.seen) == ("b", "the check itself raised LookupError")
    assert fine is FOUND


@pytest.mark.full
def test_hosts_that_hang_are_waited_for_at_once(make_origin: OriginFactory) -> None:
    hosts = [make_origin(fault="stall").url for _ in range(5)]
    began = time.monotonic()

    report = doctor({"cxbcore_fleet": hosts})

    assert time.monotonic() - began < 3 * STEP_SECONDS
    assert (report.first["status"], report.first["check"]) == ("failure", ", ".join(hosts))


def test_a_probe_waits_no_longer_than_playback_and_three_seconds_at_most() -> None:
    for connect, read, expected in ((10, 30, (3, 3)), (1, 2, (1, 2))):
        transport = impatient(Options(connect_timeout=connect, read_timeout=read).transport())
        assert (transport.connect_timeout, transport.read_timeout) == expected


def test_what_is_wrong_with_settings_is_printed_and_not_logged_as_well(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "cxb_recordings")

    report = doctor({"minio": {}, "cxbcore_fleet": 7})

    assert [finding["check"] for finding in report.findings if finding["status"] == "failure"] == [
        "minio.endpoint, minio.access_key, minio.secret_key, minio.bucket",
        "cxbcore_fleet",
    ]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("/2026/x.wav", "2026/x.wav"),
        ("2026/x.wav", "/2026/x.wav"),
        ("calls/2026/x.wav", "2026/x.wav"),
        ("/calls/2026/x.wav", "2026/x.wav"),
        ("2026/x.wav", "calls/2026/x.wav"),
        ("2026/X.WAV", "2026/x.wav"),
        ("2026/x.wav", "2026/x.WAV"),
        ("a b.wav", "a+b.wav"),
        ("a+b.wav", "a b.wav"),
        ("a b.wav", "a%20b.wav"),
        ("a%20b.wav", "a b.wav"),
        ("a%2Bb.wav", "a+b.wav"),
        ("u\u0308.wav", "\xfc.wav"),
        ("\xfc.wav", "u\u0308.wav"),
        (" a.wav ", "a.wav"),
        ("x.wav", "2026/05/x.wav"),
    ],
)
def test_a_key_is_looked_for_under_each_spelling(key: str, stored: str) -> None:
    found = spellings(key, "2026/05/x.wav", "calls")

    assert stored in found
    assert key not in found
    assert len(found) == len(set(found)) <= 17
