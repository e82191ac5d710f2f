"""Tests of each source by itself; what all sources do alike is tested in ``tests/contracts``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cxb_recordings.playback.source import OpenedRecording, RecordingSource
from cxb_recordings.settings import FleetHostSettings, StorageSettings
from cxb_recordings.sources.fleet import FleetHost, make_session
from cxb_recordings.sources.object_storage import ObjectStorage
from cxb_recordings.sources.transport import Transport


def read(opened: OpenedRecording) -> bytes:
    data = b"".join(iter(lambda: opened.body.read(65536), b""))
    opened.body.close()
    return data


def storage(url: str, ca_bundle: str | None = None) -> RecordingSource:
    settings = StorageSettings(url, "us-east-1", "b", "key", "secret")
    return ObjectStorage(settings, Transport(5, 5, ca_bundle))


def fleet(url: str, ca_bundle: str | None = None) -> RecordingSource:
    return FleetHost(make_session(ca_bundle), FleetHostSettings(url), Transport(5, 5))


@pytest.fixture(params=[storage, fleet], ids=["storage", "fleet"])
def ask_either(request: pytest.FixtureRequest) -> Callable[..., RecordingSource]:
    """Makes the source for a URL: storage, and a fleet host."""
    maker: Callable[..., RecordingSource] = request.param
    return maker
