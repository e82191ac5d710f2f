"""What makes sources: a fleet host, or each kind in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from cxb_recordings.playback.source import RecordingSource
from cxb_recordings.sources.fleet import FleetHost, FleetHostSettings, make_session
from cxb_recordings.sources.transport import Transport

from . import fleet, storage


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with make_session() as session:
        yield session


@pytest.fixture
def ask(session: requests.Session) -> Callable[..., FleetHost]:
    """Makes the source for a URL."""

    def make(url: str, secret: str | None = None, **options: Any) -> FleetHost:
        return FleetHost(session, FleetHostSettings(url, secret), replace(Transport(5, 30), **options))

    return make


@pytest.fixture(params=[storage, fleet], ids=["storage", "fleet"])
def ask_either(request: pytest.FixtureRequest) -> Callable[..., RecordingSource]:
    """Makes the source for a URL: storage, and a fleet host."""
    maker: Callable[..., RecordingSource] = request.param
    return maker
