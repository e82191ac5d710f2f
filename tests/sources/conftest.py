"""What tests of fleet hosts share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from cxb_recordings.settings import FleetHostSettings
from cxb_recordings.sources.fleet import FleetHost, make_session
from cxb_recordings.sources.transport import Transport


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
