"""The example's player in Chromium: plugs that are pulled, recordings that follow later, formats and the waveform."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from examples.audio import make_wav
from tests.servers.example import Example

from .callroom import WINDOWS, Visitor
from .test_callroom import ingest


def test_playback_goes_on_when_the_plugs_of_its_sources_are_pulled_one_by_one_and_one_is_put_back(
    visit: Callable[..., Visitor], expect: Any
) -> None:
    visitor = visit()
    visitor.open_call("demo-hour")
    visitor.play()
    visitor.plays_on()
    assert visitor.page.locator(".sources .holding").all_inner_texts() == ["has it"] * 3

    for plug, taker in (("Storage", "Fleet host 1"), ("Fleet host 1", "Fleet host 2")):
        visitor.switch(plug).click()

        expect(visitor.switch(plug)).to_have_attribute("aria-checked", "false")
        expect(visitor.page.get_by_role("status").filter(has_text=f"Resumed from {taker}")).to_be_visible()
        visitor.plays_on()
        step = visitor.page.locator(".transfers li.resume", has_text=re.compile(rf"{taker}: resumed at byte [\d,]+"))
        expect(step.first).to_be_visible()

    visitor.switch("Fleet host 2").click()
    expect(visitor.state("lost")).to_contain_text("Fleet host 2 broke off; looking for another source")
    visitor.switch("Storage").click()
    expect(visitor.state("resumed")).to_contain_text("Resumed from Storage")
    visitor.plays_on()
    expect(visitor.page.get_by_text("resumed 3×")).to_be_visible()
    visitor.page.get_by_role("link", name="Live").click()
    expect(visitor.page.get_by_text("resumed 3×")).to_be_visible()
    assert visitor.complaints == []


def test_a_recording_that_no_source_can_send_says_so_and_plays_when_one_is_back(
    visit: Callable[..., Visitor], expect: Any
) -> None:
    visitor = visit()
    visitor.page.goto("/live")
    for plug in ("Storage", "Fleet host 1", "Fleet host 2"):
        visitor.switch(plug).press("Space")
        expect(visitor.switch(plug)).to_have_attribute("aria-checked", "false")

    visitor.page.goto("/calls/demo-02")
    expect(visitor.state("gone")).to_have_text("No source that has this recording can be reached at the moment.")
    assert visitor.page.locator(".sources .holding").all_inner_texts() == ["can't be reached"] * 3
    visitor.switch("Fleet host 1").press("Enter")
    expect(visitor.page.locator(".sources .holding").nth(1)).to_have_text("has it")
    visitor.page.get_by_role("button", name="Try again from here").click()

    visitor.plays_on()
    expect(visitor.state("gone")).to_have_count(0)


def test_a_playback_url_that_expires_is_renewed_and_the_recording_goes_on_where_it_was(
    visit: Callable[..., Visitor],
) -> None:
    visitor = visit()
    visitor.open_call("demo-hour")
    visitor.play()
    visitor.plays_on()
    expired = visitor.page.locator("audio").evaluate("(audio) => audio.src")
    assert "/api/v1/playback/" in expired
    visitor.page.route(expired, lambda route: route.fulfill(status=404))

    visitor.page.get_by_role("slider", name="Position").evaluate(
        "(seek) => { seek.value = 1800; seek.dispatchEvent(new Event('change')); }"
    )

    visitor.page.wait_for_function(
        """(expired) => {
            const audio = document.querySelector("audio");
            return audio.src !== expired && !audio.error && !audio.paused && audio.currentTime >= 1801;
        }""",
        arg=expired,
    )
    assert visitor.position() < 1860


@pytest.mark.parametrize("window", WINDOWS)
def test_a_recording_that_is_not_stored_yet_says_so_and_plays_as_soon_as_it_is(
    visit: Callable[..., Visitor], running: Example, expect: Any, window: str
) -> None:
    visitor = visit(**WINDOWS[window])
    session_id = f"later-on-{window}"
    ingest(running, "POST", "", session_id=session_id, caller="Nadia Haddad", audio_follows="wav")
    visitor.page.get_by_role("searchbox").fill(session_id)
    row = visitor.page.get_by_role("row").filter(has=visitor.page.locator(f"a[href='/calls/{session_id}']"))
    expect(row.get_by_text("not stored yet").locator("visible=true")).to_have_count(1)
    row.get_by_role("link").click()
    expect(visitor.state("waiting")).to_have_text("Not stored yet. It plays as soon as it is.")
    expect(visitor.page.get_by_text("The CRM gets it when the recording is stored.")).to_be_visible()

    ingest(running, "PUT", f"/{session_id}/recording", "call.wav", make_wav(45))

    expect(visitor.state("playing")).to_be_visible()
    visitor.plays_on()
    expect(visitor.page.locator("[data-length]")).to_have_text("0:45")
    expect(visitor.page.locator("#waveform path")).to_have_count(1)
    expect(visitor.page.locator(".sources .holding").first).to_have_text("has it")
    visitor.page.get_by_role("link", name="see it there").click()
    expect(visitor.page.get_by_text("Plays: 206, audio/wav")).to_be_visible()


@pytest.mark.parametrize(("file", "audio"), [("call.amr", b"#!AMR\n" + bytes(400)), ("call.mp3", b"no frames" * 99)])
def test_a_format_that_the_browser_can_not_play_is_named(
    visit: Callable[..., Visitor], running: Example, expect: Any, file: str, audio: bytes
) -> None:
    visitor = visit()
    session_id = file.replace(".", "-")
    ingest(running, "POST", "", file, audio, session_id=session_id)

    visitor.page.goto(f"/calls/{session_id}")

    media_type = {"call.amr": "audio/AMR", "call.mp3": "audio/mpeg"}[file]
    text = f"This browser can't play the recording’s format ({media_type}). Download it to listen."
    expect(visitor.state("unplayable")).to_have_text(text)
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == audio


@pytest.mark.parametrize("window", WINDOWS)
def test_the_waveform_is_sought_by_a_click_and_fills_as_it_plays(visit: Callable[..., Visitor], window: str) -> None:
    visitor = visit(**WINDOWS[window])
    visitor.open_call("demo-03")
    shape, seek = visitor.page.locator("#waveform svg"), visitor.page.get_by_role("slider", name="Position")
    box, slider = shape.bounding_box(), seek.bounding_box()
    assert box is not None
    assert box == slider

    seek.click(position={"x": box["width"] / 4, "y": 5})

    visitor.plays_from(342 / 4, within=10)
    played = visitor.page.locator("stop.played").get_attribute("offset")
    assert float(played or 0) == pytest.approx(1 / 4, abs=0.05)
    assert visitor.complaints == []
