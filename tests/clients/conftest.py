"""One set of recordings, one gunicorn and one example for all judges of a test process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.servers import find_program, missing, stop
from tests.servers.example import Example, start_example
from tests.servers.moto_s3 import S3Server
from tests.servers.origin import Origin
from tests.servers.wsgi import WsgiServer

from .callroom import DEADLINE, Visitor
from .site import PUBLIC, Site, make_recordings, make_site

BROWSER_ARGUMENTS = [
    *("--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
]


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


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """The example, embedded, for all tests of a process; each uses a call of its own where it changes one."""
    started = start_example(tmp_path_factory.mktemp("callroom") / "example.log")
    yield started
    stop(started.process)


@pytest.fixture
def visit(browser: Any, running: Example) -> Iterator[Callable[..., Visitor]]:
    """A factory of visitors, logged in; at the end, nothing was wrong in a page's console and every source is on."""
    visitors: list[Visitor] = []

    def enter(**options: Any) -> Visitor:
        visitor = Visitor(browser, running, **options)
        visitors.append(visitor)
        visitor.enter()
        return visitor

    yield enter
    for visitor in visitors:
        visitor.switch_all_on()
        visitor.close()


@pytest.fixture
def expect(browser: Any) -> Any:
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)
    return expect
