"""Chromium's ``<audio>``: plays, knows the duration, seeks to 90 % and back, by ranges that the server sees."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.servers.wsgi import WsgiServer

from .callroom import DEADLINE
from .site import ADMIN, PUBLIC, SECONDS, SOURCES, Site, admin_token

# Plays from a position and returns when it has got half a second further; an error of the element ends the promise.
_PLAY_FROM = """(position) => new Promise((resolve, reject) => {
    const audio = document.querySelector("audio");
    audio.onerror = () => reject(new Error(audio.error.message));
    audio.ontimeupdate = () => {
        if (!audio.seeking && audio.currentTime >= position + 0.5) { audio.pause(); resolve(audio.currentTime); }
    };
    audio.currentTime = position;
    audio.play().catch(reject);
})"""


COOKIE = "admin link with the login's cookie"


@pytest.mark.parametrize(
    ("route", "source", "ending"),
    [("public link", source, ending) for source in SOURCES for ending in ("wav", "mp3", "ogg", "m4a")]
    + [(COOKIE, source, "wav") for source in SOURCES],
)
def test_a_browser_plays_and_seeks(
    browser: Any, gthread: WsgiServer, site: Site, route: str, source: str, ending: str
) -> None:
    path = f"{PUBLIC if route == 'public link' else ADMIN}/{source}.{ending}"
    before = len(site.requests(path))
    context = browser.new_context()
    context.set_default_timeout(DEADLINE)
    if route != "public link":
        context.add_cookies([{"name": "access_token_cookie", "value": admin_token(), "url": gthread.url}])
    page = context.new_page()
    page.goto(f"{gthread.url}/player?src={path}")
    page.wait_for_function("document.querySelector('audio').readyState >= 1")

    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(SECONDS[ending], abs=1)
    for position in (0, 0.9 * SECONDS[ending], 0.1 * SECONDS[ending]):
        reached = page.evaluate(_PLAY_FROM, position)
        assert position + 0.5 <= reached < position + 10

    context.close()
    seen = site.requests(path)[before:]
    statuses = {entry["status"] for entry in seen}
    assert 206 in statuses
    assert statuses <= {206, 304}  # what it has, it asks about again: no-cache
    starts = [int(match[1]) for entry in seen if (match := re.match(r"bytes=(\d+)-", str(entry["range"])))]
    assert starts[0] == 0
    if ending == "wav":  # too long to be read ahead as a whole
        assert max(starts) > len(site.recordings[ending]) / 2


def test_a_browser_without_the_cookie_does_not_play_the_admin_link(browser: Any, gthread: WsgiServer) -> None:
    page = browser.new_page()
    page.goto(f"{gthread.url}/player?src={ADMIN}/storage.wav")
    page.wait_for_function("document.querySelector('audio').error !== null", timeout=DEADLINE)
    page.close()
