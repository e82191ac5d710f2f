"""A host with playback URLs, whose clock a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from cxb_recordings import InMemoryCallRepository, RecordingService, register
from cxb_recordings.testing import InMemorySource, hold_in_memory
from tests.web.site import admin_headers, host_app

KEY, OLD_KEY, OLDEST_KEY = (f"a key of an application, number {number}" for number in (3, 2, 1))
PLAYBACK = "/api/v1/playback"
DATA, OTHER_DATA = bytes(range(256)) * 8, b"another recording"
CALLS = [
    {"session_id": "s-1", "recording_key": "2026/call 1.wav", "recording_access_token": "token-of-the-first"},
    {"session_id": "other", "recording_key": "2026/call 2.wav", "recording_access_token": "token-of-the-other"},
    {"session_id": "a/b ü\ud800", "recording_key": "2026/call 1.wav"},
    {"session_id": "x/playback-url", "recording_key": "2026/call 1.wav"},
    {"session_id": "keyless"},
]
RECORDINGS = {"2026/call 1.wav": DATA, "2026/call 2.wav": OTHER_DATA}
HOST = "calls.example.com"


class Site:
    """A host with playback URLs, whose clock a test moves."""

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        self.app = app or host_app()
        self.app.secret_key = self.app.secret_key or KEY
        self.calls = InMemoryCallRepository(CALLS)
        self.service: RecordingService = register(
            self.app, dict, self.calls, **{"playback_url_prefix": PLAYBACK} | options
        )
        assert self.service.playback_urls is not None
        self.urls, self.now = self.service.playback_urls, 1_800_000_000.5
        self.urls.clock = lambda: self.now
        self.client = self.app.test_client()

    def path(self, session_id: str = "s-1", **options: Any) -> str:
        return urlsplit(self.service.playback_url(session_id, HOST, **options)).path

    def signed(self, session_id: str = "s-1", **options: Any) -> str:
        return self.path(session_id, **options).rpartition("/")[2]

    def post(self, path: str, headers: Any = None, **options: Any) -> Any:
        return self.client.post(path, headers=headers or admin_headers(self.app), base_url=f"https://{HOST}", **options)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    with hold_in_memory(made.app, InMemorySource(RECORDINGS)):
        yield made
