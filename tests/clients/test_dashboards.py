"""The page of the how-to "Dashboards with the JWT in memory", in Chromium, on another site than the host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, request
from flask_cors import CORS

from cxb_recordings.testing import InMemorySource, hold_in_memory
from examples.audio import make_wav
from tests.web.playback_site import PLAYBACK, Site
from tests.web.site import admin_headers, serving

from .callroom import DEADLINE

HTML = re.findall(r"```html\n(.*?)```", (Path(__file__).parents[2] / "docs/dashboards.md").read_text(), re.DOTALL)[0]
SECONDS = 600
IS_WITHIN = """([from, to]) => {
    const { currentTime } = document.querySelector("audio");
    return from < currentTime && currentTime < to;
}"""


@dataclass
class Dashboard:
    """A page on one site, the host of the recordings on another.

    Attributes:
        page: in Chromium.
        host: of the recordings.
        source: where they are.
        asked: method, path, origin and status of each request to the host.
    """

    page: Any
    host: Site
    source: InMemorySource
    asked: list[tuple[str, str, str | None, int]] = field(default_factory=list)

    def plays(self, start: float) -> None:
        """Wait until the player is a little behind a position, in seconds."""
        self.page.wait_for_function(IS_WITHIN, arg=[start + 0.2, start + 10], timeout=2 * DEADLINE)

    def seek(self, position: float) -> None:
        self.page.evaluate("(position) => { document.querySelector('audio').currentTime = position; }", position)

    def urls(self, status: int) -> set[str]:
        """The paths of playback URLs that were answered so."""
        return {path for _, path, _, answered in self.asked if path.startswith(PLAYBACK) and answered == status}

    @property
    def posts(self) -> list[int]:
        return [status for method, _, _, status in self.asked if method == "POST"]


@pytest.fixture
def dashboard(browser: Any) -> Iterator[Dashboard]:
    host, pages = Site(), Flask("pages")
    host.app.secret_key = "a key of the browser's test, 32 bytes and more"
    made = Dashboard(None, host, InMemorySource({"2026/call 1.wav": make_wav(SECONDS)}))

    @host.app.after_request
    def note(response: Any) -> Any:
        made.asked.append((request.method, request.full_path, request.headers.get("Origin"), response.status_code))
        return response

    with ExitStack() as stack:
        stack.enter_context(hold_in_memory(host.app, made.source))
        _, page_port = stack.enter_context(serving(pages))
        origin = f"http://localhost:{page_port}"
        CORS(host.app, resources={r"/api/.*/playback-url": {"origins": [origin]}}, allow_headers=["Authorization"])
        _, port = stack.enter_context(serving(host.app))
        token = admin_headers(host.app)["Authorization"].removeprefix("Bearer ")
        html = HTML.replace("https://calls.example.com", f"http://127.0.0.1:{port}").replace("from your login", token)
        pages.add_url_rule("/", "page", lambda: html)
        context = browser.new_context()
        made.page = context.new_page()
        made.page.add_init_script(f"Date.now = () => {host.now * 1000};")
        made.page.goto(origin)
        yield made
        context.close()


@pytest.mark.parametrize("signal", ["the page's clock", "the error event"])
def test_the_page_plays_seeks_and_goes_on_where_it_was_when_its_url_expires(dashboard: Dashboard, signal: str) -> None:
    dashboard.page.get_by_role("button").click()
    dashboard.plays(0)
    dashboard.seek(0.5 * SECONDS)
    dashboard.plays(0.5 * SECONDS)
    [first] = dashboard.urls(206)
    assert dashboard.posts == [201]

    dashboard.host.now += 3601
    if signal == "the page's clock":  # else it is behind, and Chromium asks for half a minute before the event
        dashboard.page.evaluate("(now) => { Date.now = () => now; }", dashboard.host.now * 1000)
    dashboard.seek(0.9 * SECONDS)
    dashboard.plays(0.9 * SECONDS)

    assert dashboard.posts == [201, 201]
    assert dashboard.urls(404) <= {first}
    assert (dashboard.urls(404) == {first}) or signal == "the page's clock"
    assert len(dashboard.urls(206)) == 2
    assert {method for method, path, _, _ in dashboard.asked if urlsplit(path).query} <= {"OPTIONS"}
    assert dashboard.page.context.cookies() == []
    assert dashboard.page.get_by_role("status").inner_text() == ""


def test_the_page_says_what_can_not_be_played_and_asks_no_further(dashboard: Dashboard) -> None:
    del dashboard.source.recordings["2026/call 1.wav"]

    dashboard.page.get_by_role("button").click()
    dashboard.page.get_by_text("The recording can't be played.").wait_for(timeout=DEADLINE)

    assert dashboard.posts == [201, 201]
    dashboard.host.calls._calls.clear()
    dashboard.page.get_by_role("button").click()
    dashboard.page.get_by_text("no playback URL: status 404").wait_for(timeout=DEADLINE)
    assert dashboard.posts == [201, 201, 404]
