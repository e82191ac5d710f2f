"""One set of recordings and one gunicorn for all judges of a test process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import find_program, missing
from tests.servers.moto_s3 import S3Server
from tests.servers.origin import Origin
from tests.servers.wsgi import WsgiServer

from .site import PUBLIC, Site, make_recordings, make_site

BROWSER_ARGUMENTS = [
    *("--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
]
DEADLINE = 30_000  # milliseconds, for what a browser does


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A headless Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing(request, "playwright (extra ci)")
    program = find_program(request, "chromium", "chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=BROWSER_ARGUMENTS, timeout=DEADLINE)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest, moto_s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Recordings in storage and on a fleet host, and the application's source."""
    directory = tmp_path_factory.mktemp("site")
    recordings = make_recordings(find_program(request, "ffmpeg", "ffmpeg"), directory)
    host = Origin()
    yield make_site(recordings, moto_s3.new_bucket(), host, directory)
    host.stop()


@pytest.fixture(scope="session")
def gthread(
    request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WsgiServer]:
    """The application under gunicorn with threads."""
    server = WsgiServer(request, "gunicorn gthread", site.source, tmp_path_factory.mktemp("gthread"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def links(gthread: WsgiServer) -> str:
    """The prefix of the public links; a token is ``{source}.{ending}``."""
    return gthread.url + PUBLIC
